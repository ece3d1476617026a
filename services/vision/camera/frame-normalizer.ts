import type { Frame } from 'node-av'
import { createThrottle } from '../frame/throttle.ts'
import { Normaliser } from '../image/pixels.ts'
import type { CameraSettings } from './camera.ts'
import { Orientation } from './orientation.ts'

/** Larger than any: what it normalises keeps its size. */
const ANY_SIZE = { width: 16_384, height: 16_384 }

/** Makes what a source gives into what the rest works with: upright, bounded in size and rate. */
export class PictureTaker implements Disposable {
  readonly #stack = new DisposableStack()
  readonly #passes: (now: number) => boolean
  readonly #box: { width: number; height: number }
  readonly #normaliser: Normaliser
  readonly #smallNormaliser: Normaliser
  /** One for each size, since each keeps its filters. */
  readonly #upright: { pixels: Orientation; full: Orientation; small: Orientation }

  constructor({ width, height, fps, rotate, flip }: CameraSettings) {
    this.#box = { width, height }
    this.#passes = createThrottle(fps)
    this.#normaliser = this.#stack.use(new Normaliser(this.#box))
    this.#smallNormaliser = this.#stack.use(new Normaliser(ANY_SIZE))
    const turn = () => this.#stack.use(new Orientation({ rotate, flip }))
    this.#upright = { pixels: turn(), full: turn(), small: turn() }
  }

  /** Takes both over; undefined for a picture too many. What it returns belongs to the caller. */
  async take({ pixels, small }: { pixels: Frame; small: Frame | undefined }) {
    if (!this.#passes(performance.now())) {
      pixels.free()
      small?.free()
      return undefined
    }
    const isLarger = pixels.width > this.#box.width || pixels.height > this.#box.height
    const full = isLarger ? (pixels.clone() ?? undefined) : undefined
    return {
      pixels: await this.#upright.pixels.apply(await this.#normaliser.normalise(pixels)),
      full: full && (await this.#upright.full.apply(full)),
      small: small && (await this.#upright.small.apply(await this.#smallNormaliser.normalise(small))),
    }
  }

  [Symbol.dispose](): void {
    this.#stack[Symbol.dispose]()
  }
}
