import { randomBytes } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { isIPv6 } from 'node:net'

/** RFC 8489 §5. */
const COOKIE = 0x2112a442
const BINDING_REQUEST = 0x0001
const BINDING_SUCCESS = 0x0101
const XOR_MAPPED_ADDRESS = 0x0020
const HEADER = 20
/** Packets get lost: three tries, at these times in ms. RFC 8489 §6.2.1. */
const TRIES = [0, 500, 1_500]

/** Our address as a STUN server sees it. Rejects when it does not answer within `within` ms. RFC 8489 §2. */
export async function askStun(address: string, port: number, within: number): Promise<string> {
  const socket = createSocket(isIPv6(address) ? 'udp6' : 'udp4')
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  const id = randomBytes(12)
  const request = Buffer.alloc(HEADER)
  request.writeUInt16BE(BINDING_REQUEST, 0)
  request.writeUInt32BE(COOKIE, 4)
  id.copy(request, 8)
  socket.on('error', reject)
  socket.on('message', (answer) => {
    const mapped = mappedAddress(answer, id)
    if (mapped) resolve(mapped)
  })
  const ask = () => socket.send(request, port, address, (err) => err && reject(err))
  const timers = TRIES.map((after) => setTimeout(ask, after))
  timers.push(setTimeout(() => reject(new Error(`no answer within ${within / 1000} s`)), within))
  try {
    return await promise
  } finally {
    for (const timer of timers) clearTimeout(timer)
    socket.close()
  }
}

/** The address and port in the success response to the request of this id. RFC 8489 §14.2. */
export function mappedAddress(answer: Buffer, id: Buffer): string | undefined {
  if (answer.length < HEADER || answer.readUInt16BE(0) !== BINDING_SUCCESS) return undefined
  if (!answer.subarray(8, HEADER).equals(id)) return undefined
  for (let at = HEADER; at + 4 <= answer.length; ) {
    const [type, length] = [answer.readUInt16BE(at), answer.readUInt16BE(at + 2)]
    const value = answer.subarray(at + 4, at + 4 + length)
    if (type === XOR_MAPPED_ADDRESS && value.length >= 8) return plain(value, answer.subarray(4, HEADER))
    at += 4 + length + ((4 - (length % 4)) % 4)
  }
  return undefined
}

/** `mask` is the cookie with the id: what an address is hidden with. */
function plain(value: Buffer, mask: Buffer): string {
  const port = value.readUInt16BE(2) ^ (COOKIE >>> 16)
  const bytes = [...value.subarray(4)].map((byte, i) => byte ^ (mask[i] ?? 0))
  if (bytes.length === 4) return `${bytes.join('.')}:${port}`
  const groups = Array.from({ length: 8 }, (_, i) => ((bytes[2 * i] ?? 0) << 8) | (bytes[2 * i + 1] ?? 0))
  return `[${groups.map((group) => group.toString(16)).join(':')}]:${port}`
}
