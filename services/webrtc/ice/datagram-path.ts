import { type CandidatePair, type Connection, StunProtocol, UdpTransport } from 'werift'

/** Private members of werift's ICE connection (0.25.2). */
interface Internals {
  /** RFC 7675: the viewer's consent is fresh. */
  canSendApplicationData(): boolean
}

/** Sends over the selected candidate pair; dropped while there is none, as on any network. */
export function sendDatagrams(connection: Connection, datagrams: readonly Buffer[]): void {
  const pair = connection.nominated
  if (!pair || !(connection as unknown as Internals).canSendApplicationData()) return
  const socket = directSocket(pair)
  if (!socket) {
    for (const datagram of datagrams) pair.protocol.sendData(datagram, pair.remoteAddr).catch(() => undefined)
    return
  }
  const [host, port] = pair.remoteAddr
  try {
    for (const datagram of datagrams) socket.send(datagram, port, host)
  } catch {
    // the socket is closed
  }
}

/** The socket of a pair without TURN; werift's own way to it is three promises for each packet. */
function directSocket({ protocol }: CandidatePair) {
  if (!(protocol instanceof StunProtocol)) return undefined
  const { transport } = protocol
  return transport instanceof UdpTransport ? transport.socket : undefined
}
