/**
 * MP4 without FFmpeg: fragments of H.264 and Opus as they arrive, each one write at the end of a file. Nothing is decoded or encoded here,
 * and FFmpeg's library alone would cost this process 49 MiB of memory (90 instead of 41 MiB after its import), as much as all the rest. A
 * fragment in one write at a known place is what cutting off a half one, the flushes by a budget and the repair after a crash rest on; a
 * muxer that writes by itself leaves neither in our hand. ffmpeg and Chromium read the files in the tests.
 */

/** A box. ISO/IEC 14496-12 §4.2. */
export function box(type: string, ...content: readonly Uint8Array[]): Buffer {
  const header = Buffer.alloc(8)
  header.writeUInt32BE(content.reduce((sum, { length }) => sum + length, header.length))
  header.write(type, 4, 'latin1')
  return Buffer.concat([header, ...content])
}

/** A box with version and flags. */
export function fullBox(
  type: string,
  { version = 0, flags = 0 }: { version?: number; flags?: number },
  ...content: readonly Uint8Array[]
): Buffer {
  return box(type, u32(version * 0x1000000 + flags), ...content)
}

export function u8(...values: readonly number[]): Buffer {
  return Buffer.from(values)
}

export function u16(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 2)
  for (const [index, value] of values.entries()) bytes.writeUInt16BE(value & 0xffff, index * 2)
  return bytes
}

export function u32(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 4)
  for (const [index, value] of values.entries()) bytes.writeUInt32BE(value, index * 4)
  return bytes
}

export function u64(value: number): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64BE(BigInt(value))
  return bytes
}

export const zeros = (length: number): Buffer => Buffer.alloc(length)
