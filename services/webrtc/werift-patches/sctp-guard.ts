import type { RTCPeerConnection } from 'werift'

/** What is private in werift's RTCSctpTransport. */
interface Insides {
  datachannelReceive(streamId: number, protocol: number, data: Buffer): Promise<void>
}

/**
 * Keeps a viewer's bad data channel message its own affair. werift 0.25.2 (transport/sctp.js) reads messages in an async
 * listener that rejects on what it does not expect, an acknowledgement for a channel that is not there for one, and
 * nobody catches that: it would end the process, and with it every other session.
 */
export function guardMessages(pc: RTCPeerConnection): void {
  const transport = pc.sctpTransport
  if (!transport) throw new Error('no data channel yet')
  const { onReceive } = transport.sctp
  const { datachannelReceive } = transport as unknown as Insides
  onReceive.allUnsubscribe()
  onReceive.subscribe((streamId, protocol, data) => {
    datachannelReceive(streamId, protocol, data).catch(() => undefined) // dropped
  })
}
