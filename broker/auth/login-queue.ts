import { TokenBucket } from '#lib/token-bucket.ts'
import type { Verdict } from './credentials.ts'

/** Wrong passwords for one user before they are delayed, and their rate after that [1/s]. */
const FREE_ATTEMPTS = 5
const ATTEMPTS_PER_SECOND = 1
/** Logins that wait; beyond it a random one is rejected, so that none can occupy all places. */
const MAX_WAITING = 8
/** Clients with a queue of their own. */
const MAX_TRUSTED = 1_000

/** The logins of one kind, one at a time. */
interface Queue {
  pace: TokenBucket
  waiting: ((admitted: boolean) => void)[]
  isBusy: boolean
}

/**
 * Delays password guessing on this machine, where all clients have the same address: a wrong password makes the next login
 * of that user wait for a second. A right one waits in the same queue, but is never locked out; and a client that was accepted
 * before has a queue of its own, which guesses under other client ids do not fill.
 */
export class LoginQueue {
  readonly #queues = new Map<string, Queue>()
  readonly #trusted = new Map<string, Queue>()

  /** Runs `verify` in its turn. `user` undefined: one that does not exist. Resolves to `busy` without a turn. */
  async verify(
    { user, clientId }: { user: string | undefined; clientId: string },
    verify: () => Promise<Verdict>,
  ): Promise<Verdict> {
    const trustedKey = `${user} ${clientId}`
    const queue = this.#trusted.get(trustedKey) ?? this.#queueOf(user ?? '')
    if (!(await admitted(queue))) return 'busy'
    const verdict = await verify()
    if (verdict === 'invalid') queue.pace.charge(1)
    else if (verdict === 'valid' && clientId !== '') this.#trust(trustedKey)
    next(queue)
    return verdict
  }

  #queueOf(user: string): Queue {
    const queue = this.#queues.get(user) ?? newQueue()
    this.#queues.set(user, queue)
    return queue
  }

  #trust(key: string): void {
    const queue = this.#trusted.get(key) ?? newQueue()
    this.#trusted.delete(key)
    this.#trusted.set(key, queue)
    const [oldest] = this.#trusted.keys()
    if (this.#trusted.size > MAX_TRUSTED && oldest !== undefined) this.#trusted.delete(oldest)
  }
}

function newQueue(): Queue {
  return { pace: new TokenBucket(FREE_ATTEMPTS, ATTEMPTS_PER_SECOND), waiting: [], isBusy: false }
}

function admitted(queue: Queue): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>()
  queue.waiting.push(resolve)
  if (queue.waiting.length > MAX_WAITING) {
    const [victim] = queue.waiting.splice(Math.floor(Math.random() * queue.waiting.length), 1)
    victim?.(false)
  }
  if (!queue.isBusy) next(queue)
  return promise
}

function next(queue: Queue): void {
  queue.isBusy = true
  const turn = () => {
    const admit = queue.waiting.shift()
    if (admit) admit(true)
    else queue.isBusy = false
  }
  const wait = queue.pace.wait()
  if (wait > 0) setTimeout(turn, wait).unref()
  else turn()
}
