/** Failed logins without a delay. */
const FREE_ATTEMPTS = 5
const FIRST_DELAY_MS = 1_000
const MAX_DELAY_MS = 60_000
const FORGET_AFTER_MS = 10 * 60_000
const MAX_ADDRESSES = 1_000

interface Failures {
  count: number
  last: number
}

/**
 * Delays password guessing: 1 s after {@link FREE_ATTEMPTS} failures, doubled with each further one up to a minute.
 * Bounded: the address with the oldest failure is removed first.
 */
export class LoginThrottle {
  readonly #failures = new Map<string, Failures>()
  readonly #now: () => number

  /** `now` in milliseconds, monotonic. */
  constructor(now = () => performance.now()) {
    this.#now = now
  }

  /** Milliseconds until the next attempt is allowed; 0 if it is allowed now. */
  delay(key: string): number {
    const failures = this.#failures.get(key)
    if (!failures || failures.count < FREE_ATTEMPTS) return 0
    const delay = Math.min(MAX_DELAY_MS, FIRST_DELAY_MS * 2 ** Math.min(10, failures.count - FREE_ATTEMPTS))
    return Math.max(0, failures.last + delay - this.#now())
  }

  failed(key: string): void {
    const now = this.#now()
    const before = this.#failures.get(key)
    const count = before && now - before.last < FORGET_AFTER_MS ? before.count + 1 : 1
    this.#failures.delete(key)
    this.#failures.set(key, { count, last: now })
    const [oldest] = this.#failures.keys()
    if (this.#failures.size > MAX_ADDRESSES && oldest !== undefined) this.#failures.delete(oldest)
  }

  succeeded(key: string): void {
    this.#failures.delete(key)
  }
}

/**
 * Throttle keys of a failed login over the network: the address (for IPv6 its /64, which a single machine can use), and the
 * user at that address, so that a client with one valid password cannot guess others.
 */
export function throttleKeys(address: string, user: string): string[] {
  return [networkOf(address), `${networkOf(address)} ${user.slice(0, 64)}`]
}

/** The address without the part that a single machine can vary: IPv4 unchanged, IPv6 without its last 64 bits. */
export function networkOf(address: string): string {
  if (!address.includes(':')) return address
  const [head = '', tail] = (address.split('%')[0] ?? '').split('::')
  const front = head.split(':').filter((group) => group !== '')
  const back = (tail ?? '').split(':').filter((group) => group !== '')
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - front.length - back.length)
  const groups = [...front, ...Array<string>(zeros).fill('0'), ...back]
  return `${groups.slice(0, 4).join(':')}::/64`
}
