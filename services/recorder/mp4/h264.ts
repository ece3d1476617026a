import { nalUnits } from '#bus/access-unit.ts'

const NAL_SPS = 7
const NAL_PPS = 8
const NAL_DELIMITER = 9

/** What a decoder needs before the first frame. */
export interface ParameterSets {
  sps: Buffer
  pps: Buffer
}

/** The parameter sets of a keyframe; undefined when it has none. */
export function parameterSets(annexB: Buffer): ParameterSets | undefined {
  let [sps, pps]: (Buffer | undefined)[] = []
  for (const nal of nalUnits(annexB)) {
    const type = nalType(nal)
    if (type === NAL_SPS) sps = nal
    else if (type === NAL_PPS) pps = nal
    else if (sps && pps) break
  }
  return sps && sps.length > 3 && pps ? { sps, pps } : undefined
}

export function isSame(one: ParameterSets, other: ParameterSets): boolean {
  return one.sps.equals(other.sps) && one.pps.equals(other.pps)
}

/** An access unit as MP4 stores it: lengths for start codes, parameter sets in the header of the file. ISO/IEC 14496-15 §5.3. */
export function toLengthPrefixed(annexB: Buffer): Buffer {
  const parts: Buffer[] = []
  for (const nal of nalUnits(annexB)) {
    const type = nalType(nal)
    if (type === NAL_SPS || type === NAL_PPS || type === NAL_DELIMITER) continue
    const length = Buffer.alloc(4)
    length.writeUInt32BE(nal.length)
    parts.push(length, nal)
  }
  return Buffer.concat(parts)
}

function nalType(nal: Buffer): number {
  return (nal[0] ?? 0) & 0x1f
}

const HIGH_PROFILES: ReadonlySet<number> = new Set([100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134])

/** Width and height of the frames in pixels. H.264 7.3.2.1.1. Throws a RangeError when the set is cut off. */
export function frameSize(sps: Buffer): { width: number; height: number } {
  const bits = new BitReader(withoutEmulationPrevention(sps.subarray(4)))
  bits.golomb() // seq_parameter_set_id
  let chroma = 1
  if (HIGH_PROFILES.has(sps[1] ?? 0)) chroma = readHighProfile(bits)
  bits.golomb() // log2_max_frame_num_minus4
  const order = bits.golomb()
  if (order === 0) bits.golomb()
  else if (order === 1) skipOrderCycle(bits)
  bits.golomb() // max_num_ref_frames
  bits.read(1)
  const macroblocks = bits.golomb() + 1
  const rows = bits.golomb() + 1
  const frameOnly = bits.read(1)
  if (!frameOnly) bits.read(1)
  bits.read(1) // direct_8x8_inference_flag
  const [left, right, top, bottom] = bits.read(1)
    ? [bits.golomb(), bits.golomb(), bits.golomb(), bits.golomb()]
    : [0, 0, 0, 0]
  const [unitX, unitY] = [chroma === 1 || chroma === 2 ? 2 : 1, (chroma === 1 ? 2 : 1) * (2 - frameOnly)]
  return {
    width: macroblocks * 16 - (left + right) * unitX,
    height: rows * 16 * (2 - frameOnly) - (top + bottom) * unitY,
  }
}

/** Returns chroma_format_idc. */
function readHighProfile(bits: BitReader): number {
  const chroma = bits.golomb()
  if (chroma === 3) bits.read(1)
  bits.golomb()
  bits.golomb()
  bits.read(1)
  if (!bits.read(1)) return chroma
  for (let list = 0; list < (chroma === 3 ? 12 : 8); list++) if (bits.read(1)) skipScalingList(bits, list)
  return chroma
}

function skipScalingList(bits: BitReader, list: number): void {
  let [last, next] = [8, 8]
  for (let index = 0; index < (list < 6 ? 16 : 64); index++) {
    if (next !== 0) next = (last + bits.signedGolomb() + 256) % 256
    last = next === 0 ? last : next
  }
}

function skipOrderCycle(bits: BitReader): void {
  bits.read(1)
  bits.golomb()
  bits.golomb()
  for (let left = Math.min(bits.golomb(), 255); left > 0; left--) bits.golomb()
}

function withoutEmulationPrevention(bytes: Buffer): Buffer {
  const out: number[] = []
  let count = 0
  for (const byte of bytes) {
    if (count >= 2 && byte === 3) count = 0
    else {
      out.push(byte)
      count = byte === 0 ? count + 1 : 0
    }
  }
  return Buffer.from(out)
}

/** Bits of a parameter set. H.264 9.1. */
class BitReader {
  readonly #bytes: Buffer
  #at = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  read(count: number): number {
    let value = 0
    for (let left = count; left > 0; left--) {
      const byte = this.#bytes[this.#at >> 3]
      if (byte === undefined) throw new RangeError('the parameter set is cut off')
      value = value * 2 + ((byte >> (7 - (this.#at & 7))) & 1)
      this.#at++
    }
    return value
  }

  golomb(): number {
    let leading = 0
    while (this.read(1) === 0) if (++leading > 31) throw new RangeError('not a parameter set')
    return 2 ** leading - 1 + this.read(leading)
  }

  signedGolomb(): number {
    const value = this.golomb()
    return value % 2 === 1 ? (value + 1) / 2 : -value / 2
  }
}
