import type { RTCPeerConnection } from 'werift'

/** Private members of werift's RTCSctpTransport. */
interface Internals {
  datachannelReceive(streamId: number, protocol: number, data: Buffer): Promise<void>
}

/**
 * Drops malformed data channel messages. werift 0.25.2 (transport/sctp.js) parses them in an async listener that rejects
 * on unexpected input, such as an acknowledgement of an unknown channel; the unhandled rejection would end the process
 * and every other session.
 */
export function guardMessages(pc: RTCPeerConnection): void {
  const transport = pc.sctpTransport
  if (!transport) throw new Error('create a data channel first')
  const { onReceive } = transport.sctp
  const { datachannelReceive } = transport as unknown as Internals
  onReceive.allUnsubscribe()
  onReceive.subscribe((streamId, protocol, data) => {
    datachannelReceive(streamId, protocol, data).catch(() => undefined) // dropped
  })
}
