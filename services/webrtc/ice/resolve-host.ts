import { lookup } from 'node:dns/promises'
import { BlockList, isIP, isIPv4 } from 'node:net'
import { getHostAddresses } from 'werift'

/** Lookups in progress. A resolver that does not answer blocks a thread of the pool for many seconds, so one per name. */
const pending = new Map<string, Promise<string>>()

/**
 * The IP address of a STUN or TURN server, in a family that this machine has. Rejects when there is none, and with
 * `refuseLocal` when the address is loopback, link-local or multicast.
 */
export async function resolveHost(host: string, { refuseLocal = false } = {}): Promise<string> {
  const address = isIP(host) ? host : await lookUpOnce(host)
  if (refuseLocal && isLocal(address))
    throw new Error(`${host}: a relay may not name the local address ${address}`)
  return address
}

const LOCAL = new BlockList()
LOCAL.addSubnet('0.0.0.0', 8)
LOCAL.addSubnet('127.0.0.0', 8)
LOCAL.addSubnet('169.254.0.0', 16)
LOCAL.addSubnet('224.0.0.0', 3) // multicast, reserved, broadcast
LOCAL.addSubnet('::', 127, 'ipv6') // unspecified, loopback
LOCAL.addSubnet('fe80::', 10, 'ipv6')
LOCAL.addSubnet('ff00::', 8, 'ipv6')

/** Whether this address is loopback, link-local, multicast or none at all; IPv4-mapped ones as well. */
function isLocal(address: string): boolean {
  const [plain = ''] = address.split('%')
  return LOCAL.check(plain, isIPv4(plain) ? 'ipv4' : 'ipv6')
}

function lookUpOnce(host: string): Promise<string> {
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
