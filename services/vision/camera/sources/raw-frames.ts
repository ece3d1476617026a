import { Frame } from 'node-av'
import { AV_PIX_FMT_YUV420P } from 'node-av/constants'
import type { Size } from '../../image/fit.ts'
import { allocate, check } from '../../image/pixels.ts'

/** Cuts a byte stream into pictures. */
export interface RawReader {
  read(chunk: Buffer): Promise<void>
  /** Has a picture begun that is not whole? After the end that means: another size than was expected. */
  readonly begun: boolean
}

/**
 * Cuts a byte stream of raw yuv420p pictures (all of Y, then U, then V, rows without padding) into pictures and gives
 * each to `emit`, which frees it. That it is of another size cannot be seen before its end.
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
        const taken = emit(copyOf(view))
        // what is taken at once is not waited for: the next chunk may come in this very turn, and must not overtake
        if (taken instanceof Promise) await taken
      }
    },
    get begun() {
      return filled > 0
    },
  }
}

/** A picture whose pixels are these bytes: node-av's `fromBuffer` copies nothing, against its documentation. */
function viewOf(bytes: Buffer, { width, height }: Size): Frame {
  const view = new Frame()
  view.alloc()
  Object.assign(view, { format: AV_PIX_FMT_YUV420P, width, height })
  check(view.fromBuffer(bytes), 'raw picture')
  return view
}

/** With pixels of its own: whoever takes it may keep it when the next one comes. */
function copyOf(view: Frame): Frame {
  const pixels = allocate(view, view.height >= 720 ? 'bt709' : 'bt601')
  check(pixels.copy(view), 'raw picture')
  return pixels
}
