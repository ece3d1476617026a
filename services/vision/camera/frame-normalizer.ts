import type { Frame } from 'node-av/lib'
import type { CameraSettings } from '../config.ts'
import { createThrottle } from '../frame/throttle.ts'
import { FrameConverter } from '../image/pixels.ts'
import { Orientation } from './orientation.ts'

/** Larger than any frame: the low-resolution frame keeps its size. */
const ANY_SIZE = { width: 16_384, height: 16_384 }

/** Turns the frames of a source upright, bounds their size and limits their rate. */
export class FrameNormalizer implements Disposable {
  readonly #stack = new DisposableStack()
  readonly #passes: (now: number) => boolean
  readonly #box: { width: number; height: number }
  readonly #converter: FrameConverter
  readonly #loresConverter: FrameConverter
  /** One for each size, since each keeps its filter graph. */
  readonly #upright: { pixels: Orientation; full: Orientation; lores: Orientation }

  constructor({ width, height, fps, rotate, flip }: CameraSettings) {
    this.#box = { width, height }
    this.#passes = createThrottle(fps)
    this.#converter = this.#stack.use(new FrameConverter(this.#box))
    this.#loresConverter = this.#stack.use(new FrameConverter(ANY_SIZE))
    const turn = () => this.#stack.use(new Orientation({ rotate, flip }))
    this.#upright = { pixels: turn(), full: turn(), lores: turn() }
  }

  /** Takes ownership of both frames; undefined when the rate limit drops them. The caller owns what it returns. */
  async normalize({ pixels, lores }: { pixels: Frame; lores: Frame | undefined }) {
    if (!this.#passes(performance.now())) {
      pixels.free()
      lores?.free()
      return undefined
    }
    const isLarger = pixels.width > this.#box.width || pixels.height > this.#box.height
    const full = isLarger ? (pixels.clone() ?? undefined) : undefined
    // conversion drops the display matrix
    const filters = this.#upright.pixels.filtersFor(pixels)
    return {
      pixels: await this.#upright.pixels.apply(await this.#converter.convert(pixels), filters),
      full: full && (await this.#upright.full.apply(full, filters)),
      lores: lores && (await this.#upright.lores.apply(await this.#loresConverter.convert(lores), filters)),
    }
  }

  [Symbol.dispose](): void {
    this.#stack[Symbol.dispose]()
  }
}
