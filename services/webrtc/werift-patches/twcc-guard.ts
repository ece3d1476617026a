import { TransportWideCC } from 'werift'

/** Packets that one feedback message may report on: more than are ever unreported. */
const MAX_STATUSES = 2_048
const HEADER = 16

/**
 * Rejects transport-wide feedback that claims more packets than its chunks describe, or too many. werift 0.25.2
 * (rtcp/rtpfb/twcc.js, `deSerialize`) expands each run as announced: one message of 30 bytes takes milliseconds.
 */
const deserialize = TransportWideCC.deSerialize.bind(TransportWideCC)
TransportWideCC.deSerialize = (data: Buffer, ...rest) => {
  if (!isTransportFeedbackSound(data)) throw new Error('malformed transport-wide feedback')
  return deserialize(data, ...rest)
}

/** draft-holmer-rmcat-transport-wide-cc-extensions-01 §3.1. */
export function isTransportFeedbackSound(data: Buffer): boolean {
  const count = data.length >= HEADER ? data.readUInt16BE(10) : Number.POSITIVE_INFINITY
  if (count > MAX_STATUSES) return false
  let described = 0
  for (let at = HEADER; described < count; at += 2) {
    if (at + 2 > data.length) return false
    const chunk = data.readUInt16BE(at)
    const isVector = (chunk & 0x8000) !== 0
    const vector = (chunk & 0x4000) === 0 ? 14 : 7
    const statuses = isVector ? vector : chunk & 0x1fff
    if (statuses === 0) return false
    described += statuses
  }
  return true
}
