import type { Frame } from 'node-av'
import type { Size } from '../fit.ts'
import { allocate, check } from '../pixels.ts'

/**
 * Cuts a byte stream of raw yuv420p pictures (all of Y, then U, then V, rows without padding) into pictures and gives
 * each to `emit`, which frees it.
 */
export function createRawReader(size: Size, emit: (pixels: Frame) => Promise<void> | void) {
  const area = size.width * size.height
  const bytes = Buffer.alloc((area * 3) / 2)
  let filled = 0
  return async (chunk: Buffer): Promise<void> => {
    for (let at = 0; at < chunk.length; ) {
      const taken = chunk.copy(bytes, filled, at)
      at += taken
      filled += taken
      if (filled < bytes.length) continue
      filled = 0
      await emit(toFrame(bytes, size))
    }
  }
}

function toFrame(bytes: Buffer, size: Size): Frame {
  const pixels = allocate(size, size.height >= 720 ? 'bt709' : 'bt601')
  check(pixels.fromBuffer(bytes), 'raw picture')
  return pixels
}
