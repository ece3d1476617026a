import type { Frame } from 'node-av/lib'
import type { Size } from './fit.ts'
import { allocate, matrixOf, type Planes, planesOf, Scaler } from './pixels.ts'

/**
 * A reusable frame to draw on. Its planes are looked up once: each look-up counts as much external memory in V8 as the
 * pixels, and 15 a second caused a garbage collection of 20 ms every second.
 */
export class ScratchFrame implements Disposable {
  readonly #scaler = new Scaler()
  #held: { frame: Frame; planes: Planes } | undefined

  /** A copy of `source` in this size, with its planes; both are valid until the next call. */
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
    // the encoder may still reference the last one
    if (frame && planes && fits && frame.isWritable) return { frame, planes }
    frame?.free()
    this.#held = undefined
    const fresh = allocate({ width, height }, matrix)
    this.#held = { frame: fresh, planes: planesOf(fresh) }
    return this.#held
  }
}
