import { MAX_PAYLOAD } from './h264-packetizer.ts'

/** The payload descriptor at its shortest: S (start of the first partition), no picture id. RFC 7741 §4.2. */
const START = 0x10
const DESCRIPTOR = 1

/**
 * RTP payloads of one VP8 frame, in order, of about the same size; the marker bit belongs on the last. Without a picture
 * id viewers follow the sequence numbers alone, so that another layer may go on where one ended. RFC 7741 §4.
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
