import type { RTCDataChannel, RTCPeerConnection } from 'werift'

/** RFC 8832 §5.1: message type DATA_CHANNEL_OPEN, and the channel type with the bit for unordered. */
const DATA_CHANNEL_OPEN = 3
const PARTIAL_RELIABLE_REXMIT_UNORDERED = 0x81

/** Private members of werift's RTCSctpTransport. */
interface Internals {
  dataChannelQueue: [RTCDataChannel, number, Buffer][]
}

/**
 * Announces an unordered channel with `maxRetransmits` as unordered. werift 0.25.2 (transport/sctp.js, `dataChannelOpen`)
 * overwrites the unordered bit when it sets the type for `maxRetransmits`, so the queued DATA_CHANNEL_OPEN has 0x01
 * (ordered) where RFC 8832 §5.1 requires 0x81. Throws when that message is not in the queue, so that a changed werift is
 * noticed.
 */
export function markUnordered(pc: RTCPeerConnection, channel: RTCDataChannel): void {
  const queue = (pc.sctpTransport as unknown as Internals | undefined)?.dataChannelQueue ?? []
  const [, , open] = queue.find(([owner]) => owner === channel) ?? []
  if (open?.[0] !== DATA_CHANNEL_OPEN)
    throw new Error('werift has not queued a DATA_CHANNEL_OPEN: check whether this patch is still needed')
  open[1] = PARTIAL_RELIABLE_REXMIT_UNORDERED
}
