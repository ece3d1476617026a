import type { Frame } from 'node-av'
import type { Size } from '../image/fit.ts'
import { drawPlaceholder } from './placeholder.ts'

/** Shows one picture again and again while there is no new one: the last one, or a placeholder that says why. */
export class Standstill implements Disposable {
  readonly #show: (pixels: Frame) => void
  #last: Frame | undefined
  #shown: Frame | undefined
  #timer: NodeJS.Timeout | undefined

  /** `show` takes the picture over. */
  constructor(show: (pixels: Frame) => void) {
    this.#show = show
  }

  /** From now on the last picture, if there is one. */
  hold(fps: number): void {
    const last = this.#last?.clone()
    if (last) this.#begin(last, fps)
  }

  /** From now on a placeholder with this reason. */
  say(reason: string, size: Size, fps: number): void {
    this.#begin(drawPlaceholder(size, reason), fps)
  }

  /** There is a picture: this one. */
  end(pixels: Frame): void {
    this.#stop()
    this.#last?.free()
    this.#last = pixels.clone() ?? undefined
  }

  [Symbol.dispose](): void {
    this.#stop()
    this.#last?.free()
    this.#last = undefined
  }

  #begin(pixels: Frame, fps: number): void {
    this.#stop()
    this.#shown = pixels
    this.#timer = setInterval(() => {
      const copy = this.#shown?.clone()
      if (copy) this.#show(copy)
    }, 1000 / fps)
  }

  #stop(): void {
    clearInterval(this.#timer)
    this.#shown?.free()
    this.#shown = undefined
  }
}
