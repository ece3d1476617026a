import type { AccessUnit } from './access-unit.ts'
import { ContractError } from './contract-error.ts'

/** Sizes of the two headers, in bytes. IVF as libvpx writes it (ivfenc.c). */
const FILE_HEADER = 32
const FRAME_HEADER = 12
const MICROSECONDS = 1_000_000
/** Offsets of the size in a VP8 keyframe. RFC 6386 §9.1. */
const WIDTH_AT = 6
const HEIGHT_AT = 8

/**
 * One VP8 frame as an IVF file of its own. The frame timestamp is the capture time in µs, the header's number of frames
 * is the frame counter, and its unused field is the RTP timestamp.
 */
export function encodeIvf({ data, capturedAt, frame, rtpTimestamp }: Omit<AccessUnit, 'keyframe'>): Buffer {
  const header = Buffer.alloc(FILE_HEADER + FRAME_HEADER)
  header.write('DKIF', 0, 'latin1')
  header.writeUInt16LE(FILE_HEADER, 6)
  header.write('VP80', 8, 'latin1')
  const [width, height] = isKeyframe(data) ? sizeOf(data) : [0, 0]
  header.writeUInt16LE(width, 12)
  header.writeUInt16LE(height, 14)
  header.writeUInt32LE(MICROSECONDS, 16)
  header.writeUInt32LE(1, 20)
  header.writeUInt32LE(frame, 24)
  header.writeUInt32LE(rtpTimestamp, 28)
  header.writeUInt32LE(data.length, FILE_HEADER)
  header.writeBigUInt64LE(capturedAt, FILE_HEADER + 4)
  return Buffer.concat([header, data])
}

/** Reads what {@link encodeIvf} wrote. Throws {@link ContractError} for anything else. */
export function decodeIvf(bytes: Buffer): AccessUnit {
  const data = bytes.subarray(FILE_HEADER + FRAME_HEADER)
  if (bytes.length <= FILE_HEADER + FRAME_HEADER) throw new ContractError('not an IVF file: too short')
  if (bytes.toString('latin1', 0, 4) !== 'DKIF' || bytes.toString('latin1', 8, 12) !== 'VP80') {
    throw new ContractError('not an IVF file of VP8')
  }
  if (bytes.readUInt32LE(FILE_HEADER) !== data.length) {
    throw new ContractError('not one IVF frame: wrong frame size')
  }
  return {
    capturedAt: bytes.readBigUInt64LE(FILE_HEADER + 4),
    rtpTimestamp: bytes.readUInt32LE(28),
    frame: bytes.readUInt32LE(24),
    keyframe: isKeyframe(data),
    data,
  }
}

/** RFC 6386 §9.1: the lowest bit is clear in a keyframe. */
export function isKeyframe(data: Buffer): boolean {
  return data.length > HEIGHT_AT + 1 && ((data[0] ?? 1) & 1) === 0
}

function sizeOf(data: Buffer): [width: number, height: number] {
  return [data.readUInt16LE(WIDTH_AT) & 0x3fff, data.readUInt16LE(HEIGHT_AT) & 0x3fff]
}
