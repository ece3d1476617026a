import { lookup } from 'node:dns/promises'
import { isIP } from 'node:net'
import { getHostAddresses } from 'werift'

/** Lookups in progress. A resolver that does not answer blocks a thread of the pool for many seconds, so one per name. */
const pending = new Map<string, Promise<string>>()

/** The IP address of a STUN or TURN server, in a family that this machine has. Rejects when there is none. */
export function resolveHost(host: string): Promise<string> {
  if (isIP(host)) return Promise.resolve(host)
  const lookingUp = pending.get(host) ?? lookUp(host).finally(() => pending.delete(host))
  pending.set(host, lookingUp)
  return lookingUp
}

async function lookUp(host: string): Promise<string> {
  const found = await lookup(host, { all: true })
  const preferred = getHostAddresses(true, false).length > 0 ? 4 : 6
  const { address } = found.find(({ family }) => family === preferred) ?? found[0] ?? {}
  if (!address) throw new Error(`no address of ${host}`)
  return address
}
