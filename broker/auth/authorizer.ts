import type { Client } from 'aedes'
import { ConfigError } from '#lib/config-error.ts'
import { LoginThrottle, throttleKeys } from '#lib/http/login-throttle.ts'
import type { Logger } from '#lib/logger.ts'
import { isLoopback } from '#lib/loopback.ts'
import type { EventCounter } from '#lib/metrics/event-counter.ts'
import { disconnectPacket, REASON } from '../protocol/packet-body.ts'
import { covers } from '../protocol/topics.ts'
import { Acl } from './acl.ts'
import { ClientIds } from './client-ids.ts'
import type { Credentials, Verdict } from './credentials.ts'
import { LoginQueue } from './login-queue.ts'
import { peerOf } from './peer-address.ts'
import type { User, Users } from './users.ts'

/** Return codes of a CONNACK, MQTT 3.1.1 §3.2.2.3. */
const RETURN_CODE = { identifier: 2, unavailable: 3, password: 4, notAuthorized: 5 } as const

/** Why a client is rejected. */
export interface Rejection {
  code: (typeof RETURN_CODE)[keyof typeof RETURN_CODE]
  /** For the log. */
  reason: string
}

/** Authenticates clients and checks their rights. */
export interface Authorizer {
  /** Resolves to undefined if the client is accepted. */
  login(
    client: Client,
    username: string | undefined,
    password: Buffer | undefined,
  ): Promise<Rejection | undefined>
  mayPublish(client: Client, topic: string): boolean
  maySubscribe(client: Client, filter: string): boolean
  mayRead(client: Client, topic: string): boolean
  /** It connected without a user name. */
  isAnonymous(client: Client): boolean
}

interface AuthorizerDeps {
  users: Users
  credentials: Credentials
  counters: EventCounter
  log: Logger
  /** Deletes the stored session of a client id. */
  discardSession(id: string): void
}

interface Grant {
  user: User | undefined
  rules: Acl
}

/** The rights of the users file. */
export class UserAuthorizer implements Authorizer {
  readonly #credentials: Credentials
  readonly #counters: EventCounter
  readonly #log: Logger
  readonly #throttle = new LoginThrottle()
  readonly #queue = new LoginQueue()
  readonly #ids: ClientIds
  /** Includes disconnected clients: their last wills are still to be checked. */
  readonly #grants = new WeakMap<Client, Grant>()
  readonly #connected = new Set<Client>()
  #users: Users
  #rules: Map<string | undefined, Acl>

  constructor({ users, credentials, counters, log, discardSession }: AuthorizerDeps) {
    this.#users = users
    this.#rules = compile(users)
    this.#ids = new ClientIds(users, { discard: discardSession })
    this.#credentials = credentials
    this.#counters = counters
    this.#log = log
  }

  async login(
    client: Client,
    username: string | undefined,
    password: Buffer | undefined,
  ): Promise<Rejection | undefined> {
    const rejection =
      username === undefined
        ? this.#acceptAnonymous(client)
        : await this.#authenticate(client, username, password)
    const user = username === undefined ? undefined : this.#users.byName.get(username)
    const rejected = rejection ?? this.#claim(client, username, user)
    if (rejected) {
      this.#counters.count('logins_refused')
      const { address } = peerOf(client.conn)
      const fields = { address, user: username?.slice(0, 64), client: client.id?.slice(0, 64) }
      this.#log.debug({ ...fields, reason: rejected.reason }, 'login rejected')
    }
    return rejected
  }

  mayPublish(client: Client, topic: string): boolean {
    return this.#grants.get(client)?.rules.mayPublish(topic) ?? false
  }

  maySubscribe(client: Client, filter: string): boolean {
    return this.#grants.get(client)?.rules.maySubscribe(filter) ?? false
  }

  mayRead(client: Client, topic: string): boolean {
    return this.#grants.get(client)?.rules.mayRead(topic) ?? false
  }

  isAnonymous(client: Client): boolean {
    return this.#grants.get(client)?.user === undefined
  }

  /** Number of stored sessions whose client is not connected. */
  get offlineSessions(): number {
    return this.#ids.offlineSessions
  }

  /**
   * Replaces the users. Clients whose user has changed are disconnected, so that they reconnect under the new rules. Throws a
   * ConfigError, and changes nothing, if no user is left or one of `services` lost rights: the file is empty or truncated.
   */
  reload(users: Users, services: readonly string[] = []): void {
    const before = this.#users
    requireServices(before, users, services)
    this.#users = users
    this.#rules = compile(users)
    this.#ids.reload(users)
    for (const client of this.#connected) {
      const user = this.#grants.get(client)?.user
      const [old, current] = user ? [user, users.byName.get(user.name)] : [before.local, users.local]
      if (asText(old) === asText(current)) continue
      // its last will is checked against the new rules
      this.#grants.set(client, { user, rules: this.#rules.get(user?.name) ?? NO_RIGHTS })
      if (isV5(client)) client.conn.write(disconnectPacket(REASON.administrativeAction))
      client.conn.destroy()
    }
  }

  #acceptAnonymous(client: Client): Rejection | undefined {
    if (peerOf(client.conn).local) return undefined
    return { code: RETURN_CODE.notAuthorized, reason: 'no user name, and not connected over loopback' }
  }

  async #authenticate(
    client: Client,
    username: string,
    password: Buffer | undefined,
  ): Promise<Rejection | undefined> {
    const user = this.#users.byName.get(username)
    const given = password ?? Buffer.alloc(0)
    // a generated password cannot be guessed, and the failures of other clients must not lock out a service
    if (user && this.#credentials.isGenerated(user, given)) return undefined
    const { address } = peerOf(client.conn)
    const check = () => this.#credentials.check(user, given)
    const verdict = isLoopback(address)
      ? await this.#queue.verify({ user: user?.name, clientId: client.id }, async () =>
          client.conn.destroyed ? 'busy' : await check(),
        )
      : await this.#checkRemote(throttleKeys(address, username), check)
    if (verdict === 'valid') return undefined
    if (verdict === 'invalid') return { code: RETURN_CODE.password, reason: 'wrong user name or password' }
    if (verdict === 'busy') return { code: RETURN_CODE.unavailable, reason: 'too many logins at once' }
    return { code: RETURN_CODE.notAuthorized, reason: 'too many failed logins' }
  }

  async #checkRemote(keys: string[], check: () => Promise<Verdict>): Promise<Verdict | 'throttled'> {
    if (keys.some((key) => this.#throttle.delay(key) > 0)) {
      this.#counters.count('logins_throttled')
      return 'throttled'
    }
    const verdict = await check()
    if (verdict === 'invalid') for (const key of keys) this.#throttle.failed(key)
    // the failures of the address stay and expire
    if (verdict === 'valid') this.#throttle.succeeded(keys.at(-1) ?? '')
    return verdict
  }

  #claim(client: Client, username: string | undefined, user: User | undefined): Rejection | undefined {
    if (client.conn.destroyed)
      return { code: RETURN_CODE.unavailable, reason: 'disconnected before it was accepted' }
    // a reload while its password was checked: without a user it would have the rights of section `local`
    if (username !== undefined && user === undefined)
      return { code: RETURN_CODE.unavailable, reason: 'its user was removed' }
    const { id, clean } = client
    const reason = this.#ids.rejection(id, user)
    if (reason) return { code: RETURN_CODE.identifier, reason: `client id ${reason}` }
    const rules = this.#rules.get(user?.name) ?? NO_RIGHTS
    this.#ids.connected(id, { user, clean, address: peerOf(client.conn).address })
    this.#grants.set(client, { user, rules })
    this.#connected.add(client)
    client.conn.once('close', () => {
      this.#ids.disconnected(id, isV5(client) ? client.sessionExpiryInterval : undefined)
      this.#connected.delete(client)
    })
    return undefined
  }
}

function isV5(client: Client): boolean {
  return (client as Client & { version: number }).version === 5
}

function requireServices(before: Users, after: Users, services: readonly string[]): void {
  if (before.byName.size > 0 && after.byName.size === 0)
    throw new ConfigError('the new users file has no users')
  for (const name of services) {
    const [old, current] = [before.byName.get(name), after.byName.get(name)]
    if (!old) continue
    if (!current) throw new ConfigError(`the new users file lacks the service ${name}`)
    for (const right of ['publish', 'subscribe'] as const) {
      const lost = old[right].find((filter) => !current[right].some((other) => covers(other, filter)))
      if (lost === undefined) continue
      throw new ConfigError(
        `the new users file takes ${right} ${lost} from the service ${name}; restart the broker to force it`,
      )
    }
  }
}

const NO_RIGHTS = new Acl({ publish: [], subscribe: [] })

function asText(rules: unknown): string {
  return JSON.stringify(rules, (_key, value) => (value instanceof Map ? [...value] : value)) ?? ''
}

function compile(users: Users): Map<string | undefined, Acl> {
  const rules = new Map<string | undefined, Acl>([[undefined, new Acl(users.local)]])
  for (const user of users.byName.values()) rules.set(user.name, new Acl(user))
  return rules
}
