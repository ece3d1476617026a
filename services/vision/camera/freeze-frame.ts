import type { Frame } from 'node-av/lib'
import { toYuv } from '../image/color.ts'
import type { Size } from '../image/fit.ts'
import { allocate, planesOf } from '../image/pixels.ts'
import { paintLines } from '../overlay/overlay.ts'
import { fillRect } from '../overlay/paint.ts'

/** Repeats a frame while the camera delivers none: the last camera frame, or a placeholder with the reason. */
export class FreezeFrame implements Disposable {
  readonly #show: (pixels: Frame) => void
  #last: Frame | undefined
  #shown: Frame | undefined
  #timer: NodeJS.Timeout | undefined

  /** `show` takes ownership of the frame. */
  constructor(show: (pixels: Frame) => void) {
    this.#show = show
  }

  /** Repeats the last camera frame, if there is one. */
  hold(fps: number): void {
    const last = this.#last?.clone()
    if (last) this.#begin(last, fps)
  }

  /** Repeats a placeholder with this text. */
  showPlaceholder(lines: string[], size: Size, fps: number): void {
    this.#begin(drawPlaceholder(size, lines), fps)
  }

  /** Stops repeating: the camera has delivered this frame. */
  end(pixels: Frame): void {
    this.#stop()
    this.#last?.free()
    this.#last = pixels.clone() ?? undefined
  }

  /** Discards the last camera frame. */
  forget(): void {
    this.#last?.free()
    this.#last = undefined
  }

  [Symbol.dispose](): void {
    this.#stop()
    this.forget()
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

function drawPlaceholder(size: Size, lines: string[]): Frame {
  const pixels = allocate(size, size.height >= 720 ? 'bt709' : 'bt601')
  const planes = planesOf(pixels)
  fillRect(planes, { x: 0, y: 0, ...size }, toYuv([24, 32, 48], planes.matrix))
  paintLines(planes, lines)
  return pixels
}
