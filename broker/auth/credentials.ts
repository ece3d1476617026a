import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { isPasswordOf } from './password-hash.ts'
import type { User } from './users.ts'

/** Concurrent and queued hash computations: each takes 0.2 s of a core. */
const MAX_CONCURRENT = 16
const MAX_PASSWORD_BYTES = 1_024
/** Length of a generated password [characters]: 192 bits. */
const GENERATED_LENGTH = 32

/** Compared for an unknown user, so that it takes as long as a wrong password. */
const DUMMY_HASH = `$scrypt$ln=14,r=8,p=5$${'A'.repeat(22)}$${'A'.repeat(43)}`

export type Verdict = 'valid' | 'invalid' | 'busy'

/** Verifies passwords. */
export class Credentials {
  readonly #key = randomBytes(32)
  /** The last valid password of each hash, as a MAC under a key of this process: saves the hash computation. */
  readonly #verified = new Map<string, Buffer>()
  readonly #passwordOf: (user: string) => string | undefined
  #running = 0

  /** `passwordOf` returns the password of a user without a hash. */
  constructor(passwordOf: (user: string) => string | undefined) {
    this.#passwordOf = passwordOf
  }

  /** Whether it is the valid password of a user with a generated password (or one of that length); no hash computation. */
  isGenerated(user: User, password: Buffer): boolean {
    if (user.hash !== undefined || password.length > MAX_PASSWORD_BYTES) return false
    const known = this.#passwordOf(user.name)
    if (known === undefined || known.length < GENERATED_LENGTH) return false
    return timingSafeEqual(this.#mac(password), this.#mac(Buffer.from(known)))
  }

  /** Never throws. */
  async check(user: User | undefined, password: Buffer): Promise<Verdict> {
    if (password.length > MAX_PASSWORD_BYTES) return 'invalid'
    const mac = this.#mac(password)
    if (user && user.hash === undefined) {
      const known = this.#passwordOf(user.name)
      return known !== undefined && timingSafeEqual(mac, this.#mac(Buffer.from(known))) ? 'valid' : 'invalid'
    }
    const hash = user?.hash ?? DUMMY_HASH
    const verified = this.#verified.get(hash)
    if (verified && timingSafeEqual(mac, verified)) return 'valid'
    if (this.#running >= MAX_CONCURRENT) return 'busy'
    return await this.#compare(hash, password, mac)
  }

  async #compare(hash: string, password: Buffer, mac: Buffer): Promise<Verdict> {
    this.#running++
    try {
      if (!(await isPasswordOf(hash, password)) || hash === DUMMY_HASH) return 'invalid'
      this.#verified.set(hash, mac)
      return 'valid'
    } finally {
      this.#running--
    }
  }

  #mac(password: Buffer): Buffer {
    return createHmac('sha256', this.#key).update(password).digest()
  }
}
