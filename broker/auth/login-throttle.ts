import { isLoopback } from '#lib/loopback.ts'

/** Failed logins that cost nothing yet. */
const FREE_TRIES = 5
const FIRST_WAIT = 1_000
const LONGEST_WAIT = 60_000
/** After this long without a failure all is forgotten, ms. */
const FORGET_AFTER = 10 * 60_000
const MOST_ADDRESSES = 1_000

interface Failures {
  count: number
  last: number
}

/**
 * Makes those wait who guess passwords: after {@link FREE_TRIES} failures 1 s, doubled with each further one up to a
 * minute. Bounded: the address that was quiet for longest is forgotten first.
 */
export class LoginThrottle {
  readonly #failures = new Map<string, Failures>()
  readonly #now: () => number

  /** `now` in milliseconds, monotonic. */
  constructor(now = () => performance.now()) {
    this.#now = now
  }

  /** How long this address has to wait before its next try counts, milliseconds; 0 if it may try. */
  wait(key: string): number {
    const failures = this.#failures.get(key)
    if (!failures || failures.count < FREE_TRIES) return 0
    const wait = Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** Math.min(10, failures.count - FREE_TRIES))
    return Math.max(0, failures.last + wait - this.#now())
  }

  failed(key: string): void {
    const now = this.#now()
    const before = this.#failures.get(key)
    const count = before && now - before.last < FORGET_AFTER ? before.count + 1 : 1
    this.#failures.delete(key)
    this.#failures.set(key, { count, last: now })
    const [oldest] = this.#failures.keys()
    if (this.#failures.size > MOST_ADDRESSES && oldest !== undefined) this.#failures.delete(oldest)
  }

  succeeded(key: string): void {
    this.#failures.delete(key)
  }
}

/**
 * Whom a failed login counts against: the address, of IPv6 its /64, which one machine has to itself, and there the user, so
 * that whoever has one right password cannot guess others. On this machine the user alone: one service with a wrong
 * password must not keep the others out.
 */
export function throttleKeys(address: string, user: string): string[] {
  const name = user.slice(0, 64)
  return isLoopback(address) ? [`local ${name}`] : [networkOf(address), `${networkOf(address)} ${name}`]
}

/** One machine, as far as an address tells: IPv4 as it is, IPv6 without its last 64 bits. */
export function networkOf(address: string): string {
  if (!address.includes(':')) return address
  const [head = '', tail] = (address.split('%')[0] ?? '').split('::')
  const front = head.split(':').filter((group) => group !== '')
  const back = (tail ?? '').split(':').filter((group) => group !== '')
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - front.length - back.length)
  const groups = [...front, ...Array<string>(zeros).fill('0'), ...back]
  return `${groups.slice(0, 4).join(':')}::/64`
}
