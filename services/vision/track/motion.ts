import type { Box } from '../detect/nms.ts'
import { type Edges, edgesOf, visibleBox } from './box.ts'
import { EdgeFilter } from './edge-filter.ts'

/** An edge this near to the border of the picture is cut off by it. */
const BORDER = 0.012
/** Seconds after which half of a speed is left while nothing is seen: whoever went behind a sofa may stop there. */
const HALF_LIFE = 0.5
/** So much of a change of size is believed between two pictures: animals seldom grow, their boxes jitter. */
const GROWTH = 0.3

/** Where a box is at any time near the last measurement. Times in milliseconds of a monotonic clock. */
export class Motion {
  readonly #filters: readonly [EdgeFilter, EdgeFilter, EdgeFilter, EdgeFilter]
  #at: number
  /** Of the last box, in the picture: width and height. */
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

  /** Takes a measured box into account; `at` not before the last one. */
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
      if (isCut(value, i)) filter.hold(value)
    }
  }

  /** The box at this time, before or after the last measurement; may lie outside of the picture. */
  at(at: number): Edges {
    const ahead = (at - this.#at) / 1000
    const dt = ahead > 0 ? travelled(ahead) : ahead
    const [left, top, right, bottom] = this.#filters
    const [dLeft, dRight] = together(left, right, 0)
    const [dTop, dBottom] = together(top, bottom, 1)
    return [
      left.position + dLeft * dt,
      top.position + dTop * dt,
      right.position + dRight * dt,
      bottom.position + dBottom * dt,
    ]
  }

  /** The part of it that is in the picture. */
  visible(at: number): Box {
    return visibleBox(this.at(at))
  }
}

/** Seconds of full speed that a time ahead is worth. */
function travelled(seconds: number): number {
  // constant for as long as detections usually are apart
  const full = Math.min(seconds, HALF_LIFE)
  const rest = seconds - full
  return full + (HALF_LIFE / Math.LN2) * (1 - 2 ** (-rest / HALF_LIFE))
}

/** Speeds of two opposite edges: alike where both are seen, each its own where the border cuts one off. */
function together(first: EdgeFilter, second: EdgeFilter, axis: number): [number, number] {
  if (isCut(first.position, axis) || isCut(second.position, axis + 2)) return [first.speed, second.speed]
  const common = (first.speed + second.speed) / 2
  const growth = ((second.speed - first.speed) / 2) * GROWTH
  return [common - growth, common + growth]
}

/** Is the edge `index` (left, top, right, bottom) at its border of the picture? */
function isCut(position: number, index: number): boolean {
  return index < 2 ? position <= BORDER : position >= 1 - BORDER
}
