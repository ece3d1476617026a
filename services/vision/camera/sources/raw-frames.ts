import type { Frame } from 'node-av'
import type { Size } from '../../image/fit.ts'
import { allocate, type Planes, planesOf } from '../../image/pixels.ts'

/** Cuts a byte stream into frames. */
export interface RawReader extends Disposable {
  read(chunk: Buffer): Promise<void>
  /** True in the middle of a frame; at the end of the stream that means an unexpected frame size. */
  readonly isPartial: boolean
}

/**
 * Cuts a byte stream of raw yuv420p (all of Y, then U, then V, rows without padding) into frames and passes each to
 * `emit`, which frees it. Another frame size cannot be detected before the end of the stream.
 */
export function createRawReader(size: Size, emit: (pixels: Frame) => Promise<void> | void): RawReader {
  const pool = new FramePool(size)
  let writer: FrameWriter | undefined
  let isClosed = false
  return {
    async read(chunk) {
      for (let at = 0; at < chunk.length && !isClosed; ) {
        writer ??= new FrameWriter(pool.take())
        at += writer.write(chunk, at)
        if (!writer.isFull) continue
        const emitted = emit(writer.reference())
        writer = undefined
        // no await after a synchronous emit: a chunk of the same turn must not overtake
        if (emitted instanceof Promise) await emitted
      }
    },
    get isPartial() {
      return writer?.isPartial ?? false
    },
    [Symbol.dispose]() {
      isClosed = true
      pool[Symbol.dispose]()
    },
  }
}

interface Pooled {
  frame: Frame
  planes: Planes
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
    // the longest unused first; the writer has no reference, but has finished its frame
    const index = this.#frames.findIndex(({ frame }) => frame.isWritable)
    const [pooled = this.#create()] = index < 0 ? [] : this.#frames.splice(index, 1)
    this.#frames.push(pooled)
    return pooled
  }

  [Symbol.dispose](): void {
    for (const { frame } of this.#frames.splice(0)) frame.free()
  }

  #create(): Pooled {
    const frame = allocate(this.#size, this.#size.height >= 720 ? 'bt709' : 'bt601')
    return { frame, planes: planesOf(frame) }
  }
}

/** Writes bytes without padding to the planes of a frame, one after the other. */
class FrameWriter {
  readonly #frame: Frame
  readonly #planes: readonly { bytes: Buffer; stride: number; width: number; height: number }[]
  #plane = 0
  /** Position in the plane, without padding. */
  #position = 0

  constructor({ frame, planes }: Pooled) {
    this.#frame = frame
    const { width, height, y, u, v, strideY, strideUv } = planes
    const half = { stride: strideUv, width: width / 2, height: height / 2 }
    this.#planes = [
      { bytes: y, stride: strideY, width, height },
      { bytes: u, ...half },
      { bytes: v, ...half },
    ]
  }

  get isFull(): boolean {
    return this.#plane === this.#planes.length
  }

  get isPartial(): boolean {
    return this.#plane > 0 || this.#position > 0
  }

  /** Returns the number of bytes that it took from `at` on: at most a plane, or a row where rows have padding. */
  write(chunk: Buffer, at: number): number {
    const plane = this.#planes[this.#plane]
    if (!plane) return 0
    const { bytes, stride, width, height } = plane
    const area = width * height
    const isPacked = stride === width
    const column = isPacked ? 0 : this.#position % width
    const most = isPacked ? area - this.#position : width - column
    const target = isPacked ? this.#position : Math.floor(this.#position / width) * stride + column
    const copied = chunk.copy(bytes, target, at, Math.min(chunk.length, at + most))
    this.#position += copied
    if (this.#position === area) {
      this.#plane++
      this.#position = 0
    }
    return copied
  }

  /** A further reference to the pixels, which the caller frees. */
  reference(): Frame {
    const reference = this.#frame.clone()
    if (!reference) throw new Error('out of memory: cannot reference a frame')
    return reference
  }
}
