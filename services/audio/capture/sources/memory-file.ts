import { AVSEEK_CUR, AVSEEK_END, AVSEEK_SIZE } from 'node-av/constants'
import { IOContext } from 'node-av/lib'

/** A file in memory, for FFmpeg. */
export function readFrom(bytes: Buffer): IOContext {
  let position = 0
  const context = new IOContext()
  const read = (size: number) => {
    const chunk = bytes.subarray(position, position + size)
    position += chunk.length
    return chunk.length > 0 ? chunk : null
  }
  // each read takes a turn of the event loop: one for the whole file
  context.allocContextWithCallbacks(bytes.length, 0, read, undefined, (offset, whence) => {
    if (whence === AVSEEK_SIZE) return BigInt(bytes.length)
    const base = whence === AVSEEK_CUR ? position : whence === AVSEEK_END ? bytes.length : 0
    position = Math.max(0, Math.min(bytes.length, base + Number(offset)))
    return BigInt(position)
  })
  return context
}
