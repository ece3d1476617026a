import { lookup } from 'node:dns/promises'
import { BlockList, isIP, isIPv4, SocketAddress } from 'node:net'
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
  const address = isIP(host) ? canonical(host) : await lookUpOnce(host)
  if (!onLocal || !isLocal(address)) return address
  onLocal(host, address)
  throw new Error(`${host}: a relay may not name the local address ${address}`)
}

/** As sockets report it: `2001:db8::1` for `2001:0db8:0::1`. A zone stays. */
function canonical(literal: string): string {
  if (isIPv4(literal)) return literal
  const [address = '', ...zone] = literal.split('%')
  return [new SocketAddress({ address, family: 'ipv6' }).address, ...zone].join('%')
}

const LOCAL = new BlockList()
LOCAL.addSubnet('0.0.0.0', 8)
LOCAL.addSubnet('127.0.0.0', 8)
LOCAL.addSubnet('169.254.0.0', 16)
LOCAL.addSubnet('224.0.0.0', 3) // multicast, reserved, broadcast
LOCAL.addSubnet('::', 127, 'ipv6') // unspecified, loopback
LOCAL.addSubnet('fe80::', 10, 'ipv6')
LOCAL.addSubnet('fec0::', 10, 'ipv6') // site-local, RFC 3879
LOCAL.addSubnet('ff00::', 8, 'ipv6')

/** Where an IPv6 address holds an IPv4 one: the prefix [hex digits of the whole address], and the digits with its bytes. */
const EMBEDDED: readonly [prefix: RegExp, ...digits: number[]][] = [
  // compatible, mapped and translated: RFC 4291 §2.5.5, RFC 7915
  [/^0{24}/, 24, 26, 28, 30],
  [/^0{20}ffff/, 24, 26, 28, 30],
  [/^0{16}ffff0000/, 24, 26, 28, 30],
  // NAT64: RFC 6052 §2.1; RFC 8215 with a prefix of 96, 64 or 48 bits, RFC 6052 §2.2 (the rest is zero)
  [/^0064ff9b0{16}/, 24, 26, 28, 30],
  [/^0064ff9b0001/, 24, 26, 28, 30],
  [/^0064ff9b0001.{4}00.{8}0{6}$/, 18, 20, 22, 24],
  [/^0064ff9b0001.{4}00.{4}0{10}$/, 12, 14, 18, 20],
  // 6to4, Teredo (server; the client is inverted), ISATAP
  [/^2002/, 4, 6, 8, 10],
  [/^20010000/, 8, 10, 12, 14],
  [/^.{16}0[02]005efe/, 24, 26, 28, 30],
]

/** The IPv4 addresses that a gateway may take out of an IPv6 address. */
function embeddedIn(address: string): string[] {
  const digits = hexDigits(address)
  const found = EMBEDDED.filter(([prefix]) => prefix.test(digits)).map(([, ...starts]) =>
    starts.map((start) => Number.parseInt(digits.slice(start, start + 2), 16)).join('.'),
  )
  return digits.startsWith('20010000') ? [...found, inverted(digits.slice(24))] : found
}

function inverted(digits: string): string {
  return [0, 2, 4, 6].map((start) => 255 - Number.parseInt(digits.slice(start, start + 2), 16)).join('.')
}

/** The 32 digits of an IPv6 address. */
function hexDigits(address: string): string {
  // the URL parser writes it in its shortest form, without dots (RFC 5952)
  const [head = '', tail] = new URL(`http://[${address}]`).hostname.slice(1, -1).split('::')
  const groupsOf = (part = '') =>
    part
      .split(':')
      .filter(Boolean)
      .map((group) => group.padStart(4, '0'))
  const [before, after] = [groupsOf(head), groupsOf(tail)]
  return [...before, ...Array(8 - before.length - after.length).fill('0000'), ...after].join('')
}

/** Whether this is an address of this machine, link-local or multicast; also as an IPv6 form of an IPv4 address. */
function isLocal(address: string): boolean {
  const [plain = ''] = address.split('%')
  if (isIPv4(plain)) return LOCAL.check(plain) || isOwn(plain)
  return LOCAL.check(plain, 'ipv6') || isOwn(plain) || embeddedIn(plain).some(isLocal)
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
