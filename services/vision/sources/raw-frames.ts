import type { Frame } from 'node-av'
import type { Size } from '../fit.ts'
import { allocate, check } from '../pixels.ts'

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
  let filled = 0
  return {
    async read(chunk) {
      for (let at = 0; at < chunk.length; ) {
        const taken = chunk.copy(bytes, filled, at)
        at += taken
        filled += taken
        if (filled < bytes.length) continue
        filled = 0
        await emit(toFrame(bytes, size))
      }
    },
    get begun() {
      return filled > 0
    },
  }
}

function toFrame(bytes: Buffer, size: Size): Frame {
  const pixels = allocate(size, size.height >= 720 ? 'bt709' : 'bt601')
  check(pixels.fromBuffer(bytes), 'raw picture')
  return pixels
}
