import type { RTCDataChannel, RTCPeerConnection } from 'werift'

/** RFC 8832 §5.1: message type DATA_CHANNEL_OPEN, and the channel type with the bit for unordered. */
const DATA_CHANNEL_OPEN = 3
const PARTIAL_RELIABLE_REXMIT_UNORDERED = 0x81

/** What is private in werift's RTCSctpTransport. */
interface Insides {
  dataChannelQueue: [RTCDataChannel, number, Buffer][]
}

/**
 * Makes an unordered channel with `maxRetransmits` arrive as what it is. werift 0.25.2 (transport/sctp.js,
 * `dataChannelOpen`) overwrites the bit for unordered when it sets the type for `maxRetransmits`, so the DATA_CHANNEL_OPEN
 * that waits for the association says 0x01 (ordered) where RFC 8832 §5.1 wants 0x81. Throws when that message is not
 * there any more, which is how a werift that is mended or changed makes itself known.
 */
export function markUnordered(pc: RTCPeerConnection, channel: RTCDataChannel): void {
  const waiting = (pc.sctpTransport as unknown as Insides | undefined)?.dataChannelQueue ?? []
  const [, , open] = waiting.find(([owner]) => owner === channel) ?? []
  if (open?.[0] !== DATA_CHANNEL_OPEN) throw new Error('no DATA_CHANNEL_OPEN is waiting')
  open[1] = PARTIAL_RELIABLE_REXMIT_UNORDERED
}
