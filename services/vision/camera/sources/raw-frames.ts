import { Frame } from 'node-av'
import { AV_PIX_FMT_YUV420P } from 'node-av/constants'
import type { Size } from '../../image/fit.ts'
import { allocate, check } from '../../image/pixels.ts'

/** Cuts a byte stream into frames. */
export interface RawReader {
  read(chunk: Buffer): Promise<void>
  /** True in the middle of a frame; at the end of the stream that means an unexpected frame size. */
  readonly isPartial: boolean
}

/**
 * Cuts a byte stream of raw yuv420p (all of Y, then U, then V, rows without padding) into frames and passes each to
 * `emit`, which frees it. Another frame size cannot be detected before the end of the stream.
 */
export function createRawReader(size: Size, emit: (pixels: Frame) => Promise<void> | void): RawReader {
  const area = size.width * size.height
  const bytes = Buffer.alloc((area * 3) / 2)
  const view = viewOf(bytes, size)
  let filled = 0
  return {
    async read(chunk) {
      for (let at = 0; at < chunk.length; ) {
        const copied = chunk.copy(bytes, filled, at)
        at += copied
        filled += copied
        if (filled < bytes.length) continue
        filled = 0
        const emitted = emit(copyOf(view))
        // no await after a synchronous emit: a chunk of the same turn must not overtake
        if (emitted instanceof Promise) await emitted
      }
    },
    get isPartial() {
      return filled > 0
    },
  }
}

/** A frame on these bytes: node-av's `fromBuffer` does not copy, contrary to its documentation. */
function viewOf(bytes: Buffer, { width, height }: Size): Frame {
  const view = new Frame()
  view.alloc()
  Object.assign(view, { format: AV_PIX_FMT_YUV420P, width, height })
  check(view.fromBuffer(bytes), 'raw frame')
  return view
}

/** A frame with its own pixels, which stay valid when the next one is read. */
function copyOf(view: Frame): Frame {
  const pixels = allocate(view, view.height >= 720 ? 'bt709' : 'bt601')
  check(pixels.copy(view), 'raw frame')
  return pixels
}
