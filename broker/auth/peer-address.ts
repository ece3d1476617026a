import type { Duplex } from 'node:stream'

/** Where a connection comes from. */
export interface Origin {
  /** The peer's IP address; IPv4 also where it came over an IPv6 socket. */
  address: string
  /** It may do without user name: this machine, over plain TCP, at a listener that nobody else reaches. */
  local: boolean
}

const origins = new WeakMap<Duplex, Origin>()

export function setOrigin(connection: Duplex, origin: Origin): void {
  origins.set(connection, origin)
}

/** The origin of a connection; a stranger's when nobody has told. */
export function originOf(connection: Duplex): Origin {
  return origins.get(connection) ?? { address: 'unknown', local: false }
}

/** `::ffff:10.0.0.1` is 10.0.0.1. */
export function plainAddress(address: string | undefined): string {
  return (address ?? 'unknown').replace(/^::ffff:(?=\d+\.)/, '')
}
