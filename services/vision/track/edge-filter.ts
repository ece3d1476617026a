/** Standard deviations, in sides of the box: of what the detector measures, of the speed at first (per second). */
const MEASURED = 0.05
const FIRST_SPEED = 2.5
/** How fast a speed may change, sides of the box per second squared: an animal needs a step or two to turn. */
const ACCELERATION = 3

/**
 * Where one edge of a box is and how fast it moves: a Kalman filter with constant speed, whose noise goes by the size of
 * the box as in SORT and ByteTrack. Edges are filtered alone because one that the border of the picture cuts off stands
 * still while the other moves on.
 */
export class EdgeFilter {
  position: number
  /** Per second. */
  speed = 0
  /** Covariance of position and speed. */
  #pp: number
  #ps = 0
  #ss: number

  constructor(position: number, side: number) {
    this.position = position
    this.#pp = (MEASURED * side) ** 2
    this.#ss = (FIRST_SPEED * side) ** 2
  }

  /** Goes on by `dt` seconds. */
  predict(dt: number, side: number): void {
    const noise = (ACCELERATION * side) ** 2
    this.position += this.speed * dt
    // white acceleration; Bar-Shalom, Li, Kirubarajan: Estimation with Applications to Tracking and Navigation, §6.3.2
    this.#pp += 2 * dt * this.#ps + dt * dt * this.#ss + (noise * dt ** 4) / 4
    this.#ps += dt * this.#ss + (noise * dt ** 3) / 2
    this.#ss += noise * dt * dt
  }

  update(measured: number, side: number): void {
    const innovation = this.#pp + (MEASURED * side) ** 2
    const gain = this.#pp / innovation
    const speedGain = this.#ps / innovation
    const error = measured - this.position
    this.position += gain * error
    this.speed += speedGain * error
    this.#ss -= speedGain * this.#ps
    this.#ps -= speedGain * this.#pp
    this.#pp -= gain * this.#pp
  }

  /** It is where the border of the picture is and cannot be seen beyond. */
  hold(position: number): void {
    this.position = position
    this.speed = 0
  }
}
