import type { Duplex } from 'node:stream'

/** The remote end of a connection. */
export interface Peer {
  /** IP address; IPv4 also if it arrived on an IPv6 socket. */
  address: string
  /** Needs no user name: it is on this machine, and the listener is plain TCP on a loopback address. */
  local: boolean
}

const peers = new WeakMap<Duplex, Peer>()

export function setPeer(connection: Duplex, peer: Peer): void {
  peers.set(connection, peer)
}

/** The peer of a connection; an unknown remote one by default. */
export function peerOf(connection: Duplex): Peer {
  return peers.get(connection) ?? { address: 'unknown', local: false }
}
