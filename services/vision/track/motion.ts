import type { Box } from '../detect/nms.ts'
import { type Edges, edgesOf, visibleBox } from './box.ts'

/** Standard deviations in sides of the box: of a measurement, and of the initial speed (per second). */
const MEASUREMENT_NOISE = 0.05
const INITIAL_SPEED_NOISE = 2.5
/** Change of speed, sides of the box per second squared: an animal takes a step or two to turn. */
const ACCELERATION = 3
/** An edge this close to the border of the image is cut off by it. */
const BORDER = 0.012
/** Seconds until a predicted speed has halved: an animal that went behind a sofa may stop there. */
const HALF_LIFE_S = 0.5
/** Fraction of a measured change of size that is predicted: animals seldom grow, their boxes jitter. */
const GROWTH = 0.3

/** Position of a box over time, by a Kalman filter for each edge. Times in milliseconds of a monotonic clock. */
export class Motion {
  readonly #filters: readonly [EdgeFilter, EdgeFilter, EdgeFilter, EdgeFilter]
  #at: number
  /** Smoothed width and height of the visible box. */
  #sides: [number, number]

  constructor(box: Box, at: number) {
    const [left, top, right, bottom] = edgesOf(box)
    this.#at = at
    this.#sides = [box[2], box[3]]
    const [width, height] = this.#sides
    this.#filters = [
      new EdgeFilter(left, width),
      new EdgeFilter(top, height),
      new EdgeFilter(right, width),
      new EdgeFilter(bottom, height),
    ]
  }

  /** Adds a measured box; `at` not before the last one. */
  update(box: Box, at: number): void {
    const dt = Math.max(0, at - this.#at) / 1000
    const measured = edgesOf(box)
    this.#at = Math.max(at, this.#at)
    this.#sides = [(this.#sides[0] + box[2]) / 2, (this.#sides[1] + box[3]) / 2]
    for (const [i, filter] of this.#filters.entries()) {
      const side = this.#sides[i % 2] ?? 0
      const value = measured[i] ?? 0
      filter.predict(dt, side)
      filter.update(value, side)
      if (isCutOff(value, i)) filter.hold(value)
    }
  }

  /** The box at this time, before or after the last measurement; may lie outside of the image. */
  at(at: number): Edges {
    const ahead = (at - this.#at) / 1000
    const dt = ahead > 0 ? dampedSeconds(ahead) : ahead
    const [left, top, right, bottom] = this.#filters
    const [dLeft, dRight] = coupledSpeeds(left, right, 0)
    const [dTop, dBottom] = coupledSpeeds(top, bottom, 1)
    return [
      left.position + dLeft * dt,
      top.position + dTop * dt,
      right.position + dRight * dt,
      bottom.position + dBottom * dt,
    ]
  }

  /** {@link at}, clipped to the image. */
  visible(at: number): Box {
    return visibleBox(this.at(at))
  }
}

/** Seconds at full speed that are equivalent to so many seconds of decaying speed. */
function dampedSeconds(seconds: number): number {
  // full speed for as long as the usual interval of detections
  const full = Math.min(seconds, HALF_LIFE_S)
  const rest = seconds - full
  return full + (HALF_LIFE_S / Math.LN2) * (1 - 2 ** (-rest / HALF_LIFE_S))
}

/** Speeds of two opposite edges: nearly the same where both are visible, independent where the border cuts one off. */
function coupledSpeeds(first: EdgeFilter, second: EdgeFilter, axis: number): [number, number] {
  if (isCutOff(first.position, axis) || isCutOff(second.position, axis + 2))
    return [first.speed, second.speed]
  const common = (first.speed + second.speed) / 2
  const growth = ((second.speed - first.speed) / 2) * GROWTH
  return [common - growth, common + growth]
}

/** True when the edge `index` (left, top, right, bottom) is at its border of the image. */
function isCutOff(position: number, index: number): boolean {
  return index < 2 ? position <= BORDER : position >= 1 - BORDER
}

/**
 * Kalman filter of one edge with constant speed, noise in proportion to the size of the box as in SORT and ByteTrack.
 * Edges are filtered separately because an edge that the border of the image cuts off stands still while the other moves.
 */
class EdgeFilter {
  position: number
  /** Per second. */
  speed = 0
  /** Covariance of position and speed. */
  #pp: number
  #ps = 0
  #ss: number

  constructor(position: number, side: number) {
    this.position = position
    this.#pp = (MEASUREMENT_NOISE * side) ** 2
    this.#ss = (INITIAL_SPEED_NOISE * side) ** 2
  }

  /** Advances by `dt` seconds. */
  predict(dt: number, side: number): void {
    const noise = (ACCELERATION * side) ** 2
    this.position += this.speed * dt
    // white acceleration; Bar-Shalom, Li, Kirubarajan: Estimation with Applications to Tracking and Navigation, §6.3.2
    this.#pp += 2 * dt * this.#ps + dt * dt * this.#ss + (noise * dt ** 4) / 4
    this.#ps += dt * this.#ss + (noise * dt ** 3) / 2
    this.#ss += noise * dt * dt
  }

  update(measured: number, side: number): void {
    const innovation = this.#pp + (MEASUREMENT_NOISE * side) ** 2
    const gain = this.#pp / innovation
    const speedGain = this.#ps / innovation
    const error = measured - this.position
    this.position += gain * error
    this.speed += speedGain * error
    this.#ss -= speedGain * this.#ps
    this.#ps -= speedGain * this.#pp
    this.#pp -= gain * this.#pp
  }

  /** Fixes a cut-off edge at the border. */
  hold(position: number): void {
    this.position = position
    this.speed = 0
  }
}
