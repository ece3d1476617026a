import { nalUnits } from '#bus/access-unit.ts'

/**
 * Largest RTP payload in bytes: 1200 minus the two bytes that a retransmission adds (RFC 4588 §4). With headers, SRTP,
 * TURN and IP it fits an MTU of 1280.
 */
export const MAX_PAYLOAD = 1198

const NAL_SPS = 7
const NAL_PPS = 8
const NAL_AUD = 9
const STAP_A = 24
const FU_A = 28
const FU_HEADER = 2

/**
 * RTP payloads of one access unit, in order; the marker bit belongs on the last. Annex-B in, packetization-mode 1 out:
 * parameter sets together (STAP-A), small NAL units alone, large ones in equal parts (FU-A). RFC 6184 §5.6–5.8. Access
 * unit delimiters are omitted: the marker bit ends a frame.
 *
 * Ours and not werift's `H264Packetizer` (0.25.2), which takes three times as long (measured: 0.77 ms against 0.24 ms for
 * a keyframe of 48 kB), sends SPS and PPS as two packets behind our SEI, and throws on a NAL unit of one byte.
 */
export function packetizeH264(annexB: Buffer, maxPayload = MAX_PAYLOAD): Buffer[] {
  const payloads: Buffer[] = []
  let parameterSets: Buffer[] = []
  const flush = () => {
    payloads.push(...aggregate(parameterSets, maxPayload))
    parameterSets = []
  }
  for (const unit of nalUnits(annexB)) {
    const type = (unit[0] ?? 0) & 0x1f
    if (type === NAL_AUD) continue
    if (type === NAL_SPS || type === NAL_PPS) {
      parameterSets.push(unit)
      continue
    }
    flush()
    payloads.push(...(unit.length <= maxPayload ? [unit] : fragment(unit, maxPayload)))
  }
  flush()
  return payloads
}

/** One STAP-A, or single NAL units where there is only one or they do not fit. RFC 6184 §5.7.1. */
function aggregate(units: Buffer[], maxPayload: number): Buffer[] {
  const size = units.reduce((sum, unit) => sum + 2 + unit.length, 1)
  if (units.length < 2 || size > maxPayload) {
    return units.flatMap((unit) => (unit.length <= maxPayload ? [unit] : fragment(unit, maxPayload)))
  }
  const importance = Math.max(...units.map((unit) => (unit[0] ?? 0) & 0x60))
  const payload = Buffer.allocUnsafe(size)
  payload[0] = importance | STAP_A
  let at = 1
  for (const unit of units) {
    at = payload.writeUInt16BE(unit.length, at)
    at += unit.copy(payload, at)
  }
  return [payload]
}

/** FU-A fragments of about the same size. RFC 6184 §5.8. */
function fragment(unit: Buffer, maxPayload: number): Buffer[] {
  const header = unit[0] ?? 0
  const body = unit.subarray(1)
  const count = Math.ceil(body.length / (maxPayload - FU_HEADER))
  const size = Math.ceil(body.length / count)
  const parts: Buffer[] = []
  for (let from = 0; from < body.length; from += size) {
    const part = body.subarray(from, from + size)
    const start = from === 0 ? 0x80 : 0
    const end = from + size >= body.length ? 0x40 : 0
    const payload = Buffer.allocUnsafe(FU_HEADER + part.length)
    payload[0] = (header & 0xe0) | FU_A
    payload[1] = start | end | (header & 0x1f)
    part.copy(payload, FU_HEADER)
    parts.push(payload)
  }
  return parts
}
