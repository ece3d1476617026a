import type { Client } from 'aedes'
import type { Logger } from '#lib/logger.ts'
import type { EventCounter } from '#lib/metrics/event-counter.ts'
import { RuleSet } from './acl.ts'
import { ClientIds } from './client-ids.ts'
import type { Credentials } from './credentials.ts'
import { LoginThrottle, throttleKeys } from './login-throttle.ts'
import { originOf } from './peer-address.ts'
import type { User, Users } from './users.ts'

/** Return codes of a CONNACK, MQTT 3.1.1 §3.2.2.3. */
const CODE = { identifier: 2, unavailable: 3, password: 4, notAuthorized: 5 } as const

/** Why somebody is not let in. */
export interface Refusal {
  code: (typeof CODE)[keyof typeof CODE]
  /** For the log and the counter. */
  reason: string
}

/** Who may come in, and what they may say and hear. */
export interface Access {
  /** Undefined: come in. */
  login(
    client: Client,
    username: string | undefined,
    password: Buffer | undefined,
  ): Promise<Refusal | undefined>
  mayPublish(client: Client, topic: string): boolean
  maySubscribe(client: Client, filter: string): boolean
  mayRead(client: Client, topic: string): boolean
  /** It came without user name. */
  isNameless(client: Client): boolean
}

interface AccessDeps {
  users: Users
  credentials: Credentials
  tally: EventCounter
  log: Logger
}

interface Admitted {
  user: User | undefined
  rules: RuleSet
}

/** The access that `configs/broker.yaml` grants. */
export class UserAccess implements Access {
  readonly #credentials: Credentials
  readonly #tally: EventCounter
  readonly #log: Logger
  readonly #throttle = new LoginThrottle()
  readonly #ids: ClientIds
  /** Also of those who are gone: their wills are still to be judged. */
  readonly #admitted = new WeakMap<Client, Admitted>()
  readonly #connected = new Set<Client>()
  #users: Users
  #rules: Map<string | undefined, RuleSet>

  constructor({ users, credentials, tally, log }: AccessDeps) {
    this.#users = users
    this.#rules = compile(users)
    this.#ids = new ClientIds(users)
    this.#credentials = credentials
    this.#tally = tally
    this.#log = log
  }

  async login(
    client: Client,
    username: string | undefined,
    password: Buffer | undefined,
  ): Promise<Refusal | undefined> {
    const refusal =
      username === undefined ? this.#withoutName(client) : await this.#identify(client, username, password)
    const user = username === undefined ? undefined : this.#users.byName.get(username)
    const refused = refusal ?? this.#claim(client, user)
    if (refused) {
      this.#tally.count('logins_refused')
      const { address } = originOf(client.conn)
      const who = { address, user: username?.slice(0, 64), client: client.id?.slice(0, 64) }
      this.#log.debug({ ...who, reason: refused.reason }, 'login refused')
    }
    return refused
  }

  mayPublish(client: Client, topic: string): boolean {
    return this.#admitted.get(client)?.rules.mayPublish(topic) ?? false
  }

  maySubscribe(client: Client, filter: string): boolean {
    return this.#admitted.get(client)?.rules.maySubscribe(filter) ?? false
  }

  mayRead(client: Client, topic: string): boolean {
    return this.#admitted.get(client)?.rules.mayRead(topic) ?? false
  }

  isNameless(client: Client): boolean {
    return this.#admitted.get(client)?.user === undefined
  }

  /** The name of a client's user, for the log. */
  userOf(client: Client): string | undefined {
    return this.#admitted.get(client)?.user?.name
  }

  /** Sessions that are kept for clients who are away. */
  get away(): number {
    return this.#ids.away
  }

  /** New users from now on. Those whose user has changed are sent away, and come back under the new rules. */
  reload(users: Users): void {
    const before = this.#users
    this.#users = users
    this.#rules = compile(users)
    this.#ids.reload(users)
    for (const client of this.#connected) {
      const user = this.#admitted.get(client)?.user
      const [then, now] = user ? [user, users.byName.get(user.name)] : [before.local, users.local]
      if (asText(then) === asText(now)) continue
      // its will is judged by what it may now
      this.#admitted.set(client, { user, rules: this.#rules.get(user?.name) ?? NOTHING })
      client.conn.destroy()
    }
  }

  #withoutName(client: Client): Refusal | undefined {
    if (originOf(client.conn).local) return undefined
    return { code: CODE.notAuthorized, reason: 'no user name, and not on this machine' }
  }

  async #identify(
    client: Client,
    username: string,
    password: Buffer | undefined,
  ): Promise<Refusal | undefined> {
    const { address } = originOf(client.conn)
    const user = this.#users.byName.get(username)
    const given = password ?? Buffer.alloc(0)
    // nobody guesses these, and a stranger's failures must not keep a service out
    if (user && this.#credentials.isGenerated(user, given)) return undefined
    const keys = throttleKeys(address, username)
    if (keys.some((key) => this.#throttle.wait(key) > 0)) {
      this.#tally.count('logins_throttled')
      return { code: CODE.notAuthorized, reason: 'too many failed logins' }
    }
    const verdict = await this.#credentials.check(user, given)
    if (verdict === 'busy') return { code: CODE.unavailable, reason: 'too many logins at once' }
    if (verdict === 'wrong') {
      for (const key of keys) this.#throttle.failed(key)
      return { code: CODE.password, reason: 'wrong user name or password' }
    }
    // those of the address stay, and are forgotten with time
    this.#throttle.succeeded(keys.at(-1) ?? '')
    return undefined
  }

  #claim(client: Client, user: User | undefined): Refusal | undefined {
    if (client.conn.destroyed) return { code: CODE.unavailable, reason: 'gone before it was let in' }
    const { id, clean } = client
    const reason = this.#ids.refusal(id, user, clean)
    if (reason) return { code: CODE.identifier, reason: `client id ${reason}` }
    const rules = this.#rules.get(user?.name)
    if (!rules) return { code: CODE.unavailable, reason: 'its user was removed' }
    this.#ids.taken(id, user, clean)
    this.#admitted.set(client, { user, rules })
    this.#connected.add(client)
    client.conn.once('close', () => {
      this.#ids.gone(id)
      this.#connected.delete(client)
    })
    return undefined
  }
}

const NOTHING = new RuleSet({ publish: [], subscribe: [] })

function asText(rules: unknown): string {
  return JSON.stringify(rules, (_key, value) => (value instanceof Map ? [...value] : value)) ?? ''
}

function compile(users: Users): Map<string | undefined, RuleSet> {
  const rules = new Map<string | undefined, RuleSet>([[undefined, new RuleSet(users.local)]])
  for (const user of users.byName.values()) rules.set(user.name, new RuleSet(user))
  return rules
}
