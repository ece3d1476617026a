import { lookup } from 'node:dns/promises'
import { BlockList, isIP, isIPv4 } from 'node:net'
import { networkInterfaces } from 'node:os'
import { getHostAddresses } from 'werift'

/** Lookups in progress. A resolver that does not answer blocks a thread of the pool for many seconds, so one per name. */
const pending = new Map<string, Promise<string>>()

/** Receives the name and the address of a server that is refused. */
export type OnLocalServer = (host: string, address: string) => void

/**
 * The IP address of a STUN or TURN server, in a family that this machine has. Rejects when there is none, and with
 * `onLocal` when the address is a local one: of this machine, link-local or multicast, in any notation.
 */
export async function resolveHost(host: string, onLocal?: OnLocalServer): Promise<string> {
  const address = isIP(host) ? host : await lookUpOnce(host)
  if (!onLocal || !isLocal(address)) return address
  onLocal(host, address)
  throw new Error(`${host}: a relay may not name the local address ${address}`)
}

const LOCAL = new BlockList()
const SUBNETS_V4 = [
  ['0.0.0.0', 8],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['224.0.0.0', 3], // multicast, reserved, broadcast
] as const
for (const [net, prefix] of SUBNETS_V4) LOCAL.addSubnet(net, prefix)
LOCAL.addSubnet('::', 127, 'ipv6') // unspecified, loopback
LOCAL.addSubnet('fe80::', 10, 'ipv6')
LOCAL.addSubnet('fec0::', 10, 'ipv6') // site-local, RFC 3879
LOCAL.addSubnet('ff00::', 8, 'ipv6')
// IPv4 within IPv6: compatible and translated (RFC 4291 §2.5.5.1, RFC 7915), NAT64 (RFC 6052 §2.1, RFC 8215), 6to4
for (const [net, prefix] of SUBNETS_V4) {
  for (const head of ['::', '::ffff:0:', '64:ff9b::', '64:ff9b:1::']) {
    LOCAL.addSubnet(`${head}${net}`, 96 + prefix, 'ipv6')
  }
  LOCAL.addSubnet(`2002:${groupsOf(net)}::`, 16 + prefix, 'ipv6')
}

/** The two groups of an IPv6 address that hold this IPv4 address. */
function groupsOf(address: string): string {
  const [a = 0, b = 0, c = 0, d = 0] = address.split('.').map(Number)
  return [a * 256 + b, c * 256 + d].map((group) => group.toString(16)).join(':')
}

/** Whether this is an address of this machine, link-local or multicast; also as an IPv6 form of an IPv4 address. */
function isLocal(address: string): boolean {
  const [plain = ''] = address.split('%')
  return LOCAL.check(plain, isIPv4(plain) ? 'ipv4' : 'ipv6') || isOwn(plain)
}

/** The addresses of our interfaces lead to the services of this machine, as loopback does. */
function isOwn(address: string): boolean {
  const own = new BlockList()
  for (const one of Object.values(networkInterfaces()).flatMap((found) => found ?? [])) {
    own.addAddress(one.address.split('%')[0] ?? '', one.family === 'IPv4' ? 'ipv4' : 'ipv6')
  }
  return own.check(address, isIPv4(address) ? 'ipv4' : 'ipv6')
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
