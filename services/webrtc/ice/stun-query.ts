import { isIPv4, isIPv6 } from 'node:net'
import { classes, Message, methods, StunProtocol } from 'werift'
import { createGathering } from './gathering.ts'
import { resolveHost } from './resolve-host.ts'

/** Our address and port as a STUN server sees them. Rejects when it does not answer within `timeoutMs`. RFC 8489 §2. */
export async function queryStunServer(
  { host, port }: { host: string; port: number },
  timeoutMs: number,
): Promise<string> {
  const address = await resolveHost(host)
  const gathering = createGathering()
  const protocol = new StunProtocol()
  try {
    await gathering.run(() => protocol.connectionMade(isIPv4(address)))
    const signal = AbortSignal.timeout(timeoutMs)
    const request = new Message(methods.BINDING, classes.REQUEST)
    const [response] = await protocol
      .request(request, [address, port], undefined, { signal })
      .catch((cause: unknown) => {
        if (!signal.aborted) throw cause
        throw new Error(`no answer within ${timeoutMs / 1000} s`, { cause })
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
