/**
 * What the doctor uses of webrtc: the choice of STUN and TURN servers, and one trial of each. Everything else of this
 * service is internal.
 */
import { createGathering } from './ice/gathering.ts'
import { chooseIceServers, type IceServers, type TurnServer } from './ice/ice-servers.ts'
import { allocateRelay, type RelayOptions } from './ice/relay-candidate.ts'
import { resolveHost } from './ice/resolve-host.ts'
import { queryStunServer } from './ice/stun-query.ts'

/** The servers that a session would use, of a list in any shape of the relay. */
export function usableIceServers(listed: readonly unknown[]): IceServers {
  return chooseIceServers(listed, [])
}

/** Our address and port as a STUN server sees them. Rejects when it does not answer within `timeoutMs`. */
export function tryStunServer(server: { host: string; port: number }, timeoutMs: number): Promise<string> {
  return queryStunServer(server, timeoutMs)
}

/**
 * Allocates on a TURN server and releases the allocation: the relayed address and port, or undefined when it was refused
 * or nothing answered within `timeoutMs`. Rejects when the server's name has no address.
 */
export async function tryTurnServer(
  server: TurnServer,
  options: RelayOptions,
  timeoutMs: number,
): Promise<string | undefined> {
  await resolveHost(server.host)
  const gathering = createGathering()
  const timer = setTimeout(() => void gathering.close(), timeoutMs)
  try {
    const turn = await allocateRelay([server], options, gathering)
    return turn?.relayedAddress.join(':')
  } finally {
    clearTimeout(timer)
    await gathering.close()
  }
}
