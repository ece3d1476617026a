import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto'

interface Cost {
  /** log2 of scrypt's N. */
  ln: number
  r: number
  p: number
}

/** 16 MiB and about 0.2 s on a Raspberry Pi: OWASP's scrypt parameters for little memory. */
const COST: Cost = { ln: 14, r: 8, p: 5 }
const KEY_BYTES = 32
/** Limits the cost of a hash in the users file. */
const MAX_MEMORY_BYTES = 64 * 1024 * 1024

const FORMAT =
  /^\$scrypt\$ln=(1[0-7]|[1-9]),r=([1-9]|1\d),p=([1-9]|1\d)\$([A-Za-z0-9+/]{11,86})\$([A-Za-z0-9+/]{43})$/

/** Whether the text has the format that {@link hashPassword} returns. */
export function isPasswordHash(text: string): boolean {
  return FORMAT.test(text)
}

/** The hash in PHC string format: `$scrypt$ln=14,r=8,p=5$salt$hash`. */
export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(16)
  const key = await derive(Buffer.from(password), salt, COST)
  const { ln, r, p } = COST
  return `$scrypt$ln=${ln},r=${r},p=${p}$${unpadded(salt)}$${unpadded(key)}`
}

/** Whether the password matches the hash; constant time. */
export async function isPasswordOf(hash: string, password: Buffer): Promise<boolean> {
  const [, ln, r, p, salt = '', key = ''] = FORMAT.exec(hash) ?? []
  const cost = { ln: Number(ln), r: Number(r), p: Number(p) }
  const derived = await derive(password, Buffer.from(salt, 'base64'), cost)
  return timingSafeEqual(derived, Buffer.from(key, 'base64'))
}

function derive(password: Buffer, salt: Buffer, { ln, r, p }: Cost): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>()
  const options = { N: 2 ** ln, r, p, maxmem: MAX_MEMORY_BYTES }
  scrypt(password, salt, KEY_BYTES, options, (err, key) => (err ? reject(err) : resolve(key)))
  return promise
}

function unpadded(bytes: Buffer): string {
  return bytes.toString('base64').replace(/=+$/, '')
}
