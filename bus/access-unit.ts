import { ContractError } from './contract-error.ts'

/** All NAL units of one encoded frame, with its capture time. */
export interface AccessUnit {
  /** Capture time, µs since the epoch. */
  capturedAt: bigint
  /** 90 kHz clock, 32 bits, wraps around. */
  rtpTimestamp: number
  /** Counter of the layer's access units, 32 bits, wraps around: a gap means a loss. */
  frame: number
  /** Contains an IDR picture. */
  keyframe: boolean
  /** Annex-B byte stream, without our SEI. */
  data: Buffer
}

/** Identifies our SEI among other user data. H.264 D.1.7, user_data_unregistered, uuid_iso_iec_11578. */
const UUID = Buffer.from('77696d7ab4d54c1e9c0a6f0d3c2e5a11', 'hex')
const START_CODE = Buffer.from([0, 0, 0, 1])
const NAL_SEI = 6
const NAL_IDR = 5
const NAL_SLICE = 1
const SEI_USER_DATA_UNREGISTERED = 5
const FIELDS = 8 + 4 + 4

/** The access unit as it is published: one SEI with our fields, then the data. */
export function encodeAccessUnit(unit: Omit<AccessUnit, 'keyframe'>): Buffer {
  const fields = Buffer.alloc(FIELDS)
  fields.writeBigUInt64BE(unit.capturedAt, 0)
  fields.writeUInt32BE(unit.rtpTimestamp, 8)
  fields.writeUInt32BE(unit.frame, 12)
  const message = Buffer.concat([
    Buffer.from([NAL_SEI, SEI_USER_DATA_UNREGISTERED, UUID.length + FIELDS]),
    UUID,
    fields,
    Buffer.from([0x80]), // rbsp_trailing_bits
  ])
  return Buffer.concat([START_CODE, addEmulationPrevention(message), unit.data])
}

/** Reads what {@link encodeAccessUnit} wrote. Throws {@link ContractError} for anything else. */
export function decodeAccessUnit(bytes: Buffer): AccessUnit {
  const end = nextStartCode(bytes, START_CODE.length)
  if (end < 0 || !bytes.subarray(0, START_CODE.length).equals(START_CODE)) {
    throw new ContractError('not an access unit: no start code')
  }
  const message = removeEmulationPrevention(bytes.subarray(START_CODE.length, end))
  const uuid = message.subarray(3, 3 + UUID.length)
  if (message[0] !== NAL_SEI || message[1] !== SEI_USER_DATA_UNREGISTERED || !uuid.equals(UUID)) {
    throw new ContractError('not an access unit: it does not start with our SEI')
  }
  const fields = message.subarray(3 + UUID.length)
  if (fields.length < FIELDS) throw new ContractError('not an access unit: the SEI is truncated')
  const data = bytes.subarray(end)
  return {
    capturedAt: fields.readBigUInt64BE(0),
    rtpTimestamp: fields.readUInt32BE(8),
    frame: fields.readUInt32BE(12),
    keyframe: containsIdr(data),
    data,
  }
}

/** The NAL units of an Annex-B byte stream, without start codes and trailing zeros. H.264 B.1. */
export function* nalUnits(annexB: Buffer): Generator<Buffer> {
  let start = afterStartCode(annexB, nextStartCode(annexB, 0))
  while (start > 0) {
    const next = nextStartCode(annexB, start)
    const unit = trimZeros(annexB.subarray(start, next < 0 ? annexB.length : next))
    if (unit.length > 0) yield unit
    start = next < 0 ? -1 : afterStartCode(annexB, next)
  }
}

/** The first slice determines the picture type, so the rest is not read. */
function containsIdr(data: Buffer): boolean {
  let at = nextStartCode(data, 0)
  while (at >= 0) {
    const start = afterStartCode(data, at)
    const type = (data[start] ?? 0) & 0x1f
    if (type === NAL_IDR) return true
    if (type === NAL_SLICE) return false
    at = nextStartCode(data, start)
  }
  return false
}

/** Index of the next 00 00 01, including a preceding zero; -1 if there is none. */
function nextStartCode(bytes: Buffer, from: number): number {
  const at = bytes.indexOf('\x00\x00\x01', from, 'latin1')
  return at > from && bytes[at - 1] === 0 ? at - 1 : at
}

function afterStartCode(bytes: Buffer, at: number): number {
  return at < 0 ? -1 : at + (bytes[at + 2] === 1 ? 3 : 4)
}

function trimZeros(unit: Buffer): Buffer {
  let end = unit.length
  while (end > 0 && unit[end - 1] === 0) end--
  return unit.subarray(0, end)
}

/** Inserts emulation_prevention_three_byte. H.264 7.4.1.1. */
function addEmulationPrevention(nal: Buffer): Buffer {
  const out: number[] = []
  let zeros = 0
  for (const byte of nal) {
    if (zeros >= 2 && byte <= 3) {
      out.push(3)
      zeros = 0
    }
    out.push(byte)
    zeros = byte === 0 ? zeros + 1 : 0
  }
  return Buffer.from(out)
}

function removeEmulationPrevention(nal: Buffer): Buffer {
  const out: number[] = []
  let zeros = 0
  for (const byte of nal) {
    if (zeros >= 2 && byte === 3) {
      zeros = 0
      continue
    }
    out.push(byte)
    zeros = byte === 0 ? zeros + 1 : 0
  }
  return Buffer.from(out)
}
