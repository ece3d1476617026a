import { lookup } from 'node:dns/promises'
import { isIP } from 'node:net'
import { getHostAddresses } from 'werift'

/** Look-ups on their way. A resolver that does not answer holds a thread of the pool for many seconds, so one per name. */
const pending = new Map<string, Promise<string>>()

/** The IP address of a STUN or TURN server, of a family that this machine has an address of. Rejects when there is none. */
export function resolveHost(host: string): Promise<string> {
  if (isIP(host)) return Promise.resolve(host)
  const asked = pending.get(host) ?? ask(host).finally(() => pending.delete(host))
  pending.set(host, asked)
  return asked
}

async function ask(host: string): Promise<string> {
  const found = await lookup(host, { all: true })
  const preferred = getHostAddresses(true, false).length > 0 ? 4 : 6
  const { address } = found.find(({ family }) => family === preferred) ?? found[0] ?? {}
  if (!address) throw new Error(`no address of ${host}`)
  return address
}
