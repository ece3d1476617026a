import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { isPasswordOf } from './password-hash.ts'
import type { User } from './users.ts'

/** Passwords that are compared with a hash at the same time or wait for it, at most: each costs 0.2 s of a core. */
const MOST_AT_ONCE = 16
const LONGEST_PASSWORD = 1_024
/** Characters of a generated password: 192 bits. */
const GENERATED = 32

/** A hash that no password has: an unknown user must take as long as a wrong password. */
const NOBODY = `$scrypt$ln=14,r=8,p=5$${'A'.repeat(22)}$${'A'.repeat(43)}`

export type Verdict = 'right' | 'wrong' | 'busy'

/** Looks whether a password is a user's. */
export class Credentials {
  readonly #key = randomBytes(32)
  /** Of each hash the password that was right, as a MAC under a key of this process. */
  readonly #right = new Map<string, Buffer>()
  readonly #passwordOf: (user: string) => string | undefined
  #running = 0

  /** `passwordOf` tells the password of a user without hash. */
  constructor(passwordOf: (user: string) => string | undefined) {
    this.#passwordOf = passwordOf
  }

  /** Is this the password of a user who has a generated one, or one as long? Costs next to nothing. */
  isGenerated(user: User, password: Buffer): boolean {
    if (user.hash !== undefined || password.length > LONGEST_PASSWORD) return false
    const known = this.#passwordOf(user.name)
    if (known === undefined || known.length < GENERATED) return false
    return timingSafeEqual(this.#mac(password), this.#mac(Buffer.from(known)))
  }

  /** Never throws. */
  async check(user: User | undefined, password: Buffer): Promise<Verdict> {
    if (password.length > LONGEST_PASSWORD) return 'wrong'
    const mac = this.#mac(password)
    if (user && user.hash === undefined) {
      const known = this.#passwordOf(user.name)
      return known !== undefined && timingSafeEqual(mac, this.#mac(Buffer.from(known))) ? 'right' : 'wrong'
    }
    const hash = user?.hash ?? NOBODY
    const right = this.#right.get(hash)
    if (right && timingSafeEqual(mac, right)) return 'right'
    if (this.#running >= MOST_AT_ONCE) return 'busy'
    return await this.#compare(hash, password, mac)
  }

  async #compare(hash: string, password: Buffer, mac: Buffer): Promise<Verdict> {
    this.#running++
    try {
      if (!(await isPasswordOf(hash, password)) || hash === NOBODY) return 'wrong'
      this.#right.set(hash, mac)
      return 'right'
    } finally {
      this.#running--
    }
  }

  #mac(password: Buffer): Buffer {
    return createHmac('sha256', this.#key).update(password).digest()
  }
}
