/**
 * What the doctor uses of webrtc: the choice of STUN and TURN servers, and one trial of each. Everything else of this
 * service is internal.
 */
import { isIPv4, isIPv6 } from 'node:net'
import { classes, Message, methods, StunProtocol } from 'werift'
import { createGathering } from './ice/gathering.ts'
import { chooseIceServers, type IceServers, type TurnServer } from './ice/ice-servers.ts'
import { allocateRelay, type RelayOptions } from './ice/relay-candidate.ts'
import { resolveHost } from './ice/resolve-host.ts'

/** The servers that a session would use, of a list in any shape of the relay. */
export function usableIceServers(listed: readonly unknown[]): IceServers {
  return chooseIceServers(listed, [])
}

/** Our address and port as a STUN server sees them. Rejects when it does not answer within `timeout` ms. RFC 8489 §2. */
export async function queryStunServer(
  { host, port }: { host: string; port: number },
  timeout: number,
): Promise<string> {
  const address = await resolveHost(host)
  const gathering = createGathering()
  const protocol = new StunProtocol()
  try {
    await gathering.run(() => protocol.connectionMade(isIPv4(address)))
    const signal = AbortSignal.timeout(timeout)
    const request = new Message(methods.BINDING, classes.REQUEST)
    const [response] = await protocol
      .request(request, [address, port], undefined, { signal })
      .catch((cause: unknown) => {
        if (!signal.aborted) throw cause
        throw new Error(`no answer within ${timeout / 1000} s`, { cause })
      })
    return mappedAddress(response)
  } finally {
    await protocol.close()
    await gathering.close()
  }
}

function mappedAddress(response: Message): string {
  const mapped: unknown = response.getAttributeValue('XOR-MAPPED-ADDRESS')
  if (!Array.isArray(mapped)) throw new Error('the answer has no XOR-MAPPED-ADDRESS')
  const [host, port] = mapped as [string, number]
  return isIPv6(host) ? `[${host}]:${port}` : `${host}:${port}`
}

/**
 * Allocates on a TURN server and releases the allocation: the relayed address and port, or undefined when it was refused
 * or nothing answered within `timeout` ms. Rejects when the server's name has no address.
 */
export async function tryTurnServer(
  server: TurnServer,
  options: RelayOptions,
  timeout: number,
): Promise<string | undefined> {
  await resolveHost(server.host)
  const gathering = createGathering()
  const timer = setTimeout(() => void gathering.close(), timeout)
  try {
    const turn = await allocateRelay([server], options, gathering)
    return turn?.relayedAddress.join(':')
  } finally {
    clearTimeout(timer)
    await gathering.close()
  }
}
