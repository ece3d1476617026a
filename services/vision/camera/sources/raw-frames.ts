import type { Frame } from 'node-av/lib'
import type { ByteSink } from '#lib/media/program.ts'
import type { Size } from '../../image/fit.ts'
import { allocate, planesOf } from '../../image/pixels.ts'

/**
 * Cuts a byte stream of raw yuv420p (all of Y, then U, then V, rows without padding) into frames and passes each to
 * `emit`, which frees it. The bytes are read into the frames directly. Another frame size cannot be detected before the end
 * of the stream.
 */
export class RawReader implements ByteSink, Disposable {
  readonly #pool: FramePool
  readonly #emit: (pixels: Frame) => Promise<void> | void
  #pooled: Pooled | undefined
  #plane = 0
  /** Position in the plane. */
  #position = 0

  constructor(size: Size, emit: (pixels: Frame) => Promise<void> | void) {
    this.#pool = new FramePool(size)
    this.#emit = emit
  }

  /** True in the middle of a frame; at the end of the stream that means an unexpected frame size. */
  get isPartial(): boolean {
    return this.#plane > 0 || this.#position > 0
  }

  /** The rest of the current plane. */
  space(): Buffer {
    this.#pooled ??= this.#pool.take()
    return (this.#pooled.planes[this.#plane] as Buffer).subarray(this.#position)
  }

  wrote(bytes: number): Promise<void> | void {
    const { frame, planes } = this.#pooled ?? {}
    if (!frame || !planes) return
    this.#position += bytes
    if (this.#position < (planes[this.#plane]?.length ?? 0)) return
    this.#position = 0
    if (++this.#plane < planes.length) return
    this.#plane = 0
    this.#pooled = undefined
    return this.#emit(referenceTo(frame))
  }

  /** Copies bytes of the stream. Without an asynchronous `emit`, its frames are emitted before it returns. */
  async read(chunk: Buffer): Promise<void> {
    for (let at = 0; at < chunk.length; ) {
      const bytes = chunk.copy(this.space(), 0, at)
      at += bytes
      const emitted = this.wrote(bytes)
      // no await after a synchronous emit: a chunk of the same turn must not overtake
      if (emitted instanceof Promise) await emitted
    }
  }

  [Symbol.dispose](): void {
    this.#pool[Symbol.dispose]()
  }
}

interface Pooled {
  frame: Frame
  /** Y, U and V without padding. */
  planes: readonly Buffer[]
}

/**
 * Frames that are used again once no reference to their pixels is left: new memory for each frame costs as much as
 * copying it, and looking up the planes of each makes V8 collect garbage, as in `ScratchFrame`.
 */
class FramePool implements Disposable {
  readonly #size: Size
  readonly #frames: Pooled[] = []

  constructor(size: Size) {
    this.#size = size
  }

  /** A frame to write to; the pool keeps owning it. */
  take(): Pooled {
    const unused = this.#frames.find(({ frame }) => frame.isWritable)
    if (unused) return unused
    const pooled = this.#create()
    this.#frames.push(pooled)
    return pooled
  }

  [Symbol.dispose](): void {
    for (const { frame } of this.#frames.splice(0)) frame.free()
  }

  #create(): Pooled {
    const frame = allocate(this.#size, this.#size.height >= 720 ? 'bt709' : 'bt601', { alignment: 1 })
    const { width, height, y, u, v } = planesOf(frame)
    const area = width * height
    return { frame, planes: [y.subarray(0, area), u.subarray(0, area / 4), v.subarray(0, area / 4)] }
  }
}

/** A further reference to the pixels, which the caller frees. */
function referenceTo(frame: Frame): Frame {
  const reference = frame.clone()
  if (!reference) throw new Error('out of memory: cannot reference a frame')
  return reference
}
