import { MAX_PAYLOAD } from './h264-packetizer.ts'

/** The shortest payload descriptor: S (start of the first partition), no picture ID. RFC 7741 §4.2. */
const START = 0x10
const DESCRIPTOR = 1

/**
 * RTP payloads of one VP8 frame, in order and of about the same size; the marker bit belongs on the last. RFC 7741 §4.
 *
 * Ours and not werift's `Vp8Packetizer` (0.25.2), which always sends a picture ID: without one, viewers follow the
 * sequence numbers alone, so that a switch to another layer (another encoder) is continuous.
 */
export function packetizeVp8(frame: Buffer, maxPayload = MAX_PAYLOAD): Buffer[] {
  const count = Math.ceil(frame.length / (maxPayload - DESCRIPTOR))
  const size = Math.ceil(frame.length / count)
  return Array.from({ length: count }, (_, i) => {
    const part = frame.subarray(i * size, (i + 1) * size)
    const payload = Buffer.allocUnsafe(DESCRIPTOR + part.length)
    payload[0] = i === 0 ? START : 0
    part.copy(payload, DESCRIPTOR)
    return payload
  })
}
