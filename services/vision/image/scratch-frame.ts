import type { Frame } from 'node-av'
import type { Size } from './fit.ts'
import { allocate, matrixOf, type Planes, planesOf, Scaler } from './pixels.ts'

/**
 * A picture that is filled and drawn on again and again. Its planes are looked up once: to V8 each look-up weighs as
 * much as the pixels, and 15 of them a second made a garbage collection of 20 ms every second.
 */
export class Canvas implements Disposable {
  readonly #scaler = new Scaler()
  #held: { frame: Frame; planes: Planes } | undefined

  /** A copy of `source` in this size, and its planes to draw on; both are good until the next call. */
  async fill(source: Frame, size: Size): Promise<{ frame: Frame; planes: Planes }> {
    const held = this.#hold(source, size)
    await this.#scaler.scale(held.frame, source)
    return held
  }

  [Symbol.dispose](): void {
    this.#held?.frame.free()
    this.#held = undefined
    this.#scaler[Symbol.dispose]()
  }

  #hold(source: Frame, { width, height }: Size) {
    const matrix = matrixOf(source)
    const { frame, planes } = this.#held ?? {}
    const fits = planes?.width === width && planes.height === height && planes.matrix === matrix
    // somebody may still hold on to the last one
    if (frame && planes && fits && frame.isWritable) return { frame, planes }
    frame?.free()
    this.#held = undefined
    const fresh = allocate({ width, height }, matrix)
    this.#held = { frame: fresh, planes: planesOf(fresh) }
    return this.#held
  }
}
