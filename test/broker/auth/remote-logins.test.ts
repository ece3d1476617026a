import assert from 'node:assert/strict'
import { PassThrough } from 'node:stream'
import { type TestContext, test } from 'node:test'
import type { Client } from 'aedes'
import { UserAuthorizer } from '#broker/auth/authorizer.ts'
import type { Credentials, Verdict } from '#broker/auth/credentials.ts'
import { setPeer } from '#broker/auth/peer-address.ts'
import type { User, Users } from '#broker/auth/users.ts'
import { ConfigError } from '#lib/config-error.ts'
import type { Logger } from '#lib/logger.ts'

const [IDENTIFIER, UNAVAILABLE, WRONG_PASSWORD, NOT_AUTHORIZED] = [2, 3, 4, 5]
const ADDRESS = '192.0.2.1'

const userOf = (name: string, rules: Partial<User> = {}): User => ({
  ...{ name, hash: 'hash', clientIds: [], sessions: new Map(), publish: [], subscribe: [] },
  ...rules,
})
const usersOf = (...users: User[]): Users => ({
  byName: new Map(users.map((user) => [user.name, user])),
  local: { publish: [], subscribe: ['#'] },
})

/** Clients of other machines, and what their logins were answered. */
function stage(t: TestContext, users: Users) {
  const clock = { now: 0 }
  t.mock.method(performance, 'now', () => clock.now)
  const counts: Record<string, number> = {}
  const count = (name: string) => {
    counts[name] = (counts[name] ?? 0) + 1
  }
  const logged: Record<string, unknown>[] = []
  const credentials = {
    isGenerated: (_user: User, password: Buffer) => String(password) === 'generated',
    check: (user: User | undefined, password: Buffer): Promise<Verdict> => {
      if (String(password) === 'one too many') return Promise.resolve('busy')
      return Promise.resolve(user && String(password) === 'right' ? 'valid' : 'invalid')
    },
  }
  const authorizer = new UserAuthorizer({
    users,
    credentials: credentials as Credentials,
    counters: { count } as never,
    log: { debug: (fields: Record<string, unknown>) => logged.push(fields) } as unknown as Logger,
    discardSession: () => {},
  })
  const clientOf = ({ id = 'client', version = 4, peer = { address: ADDRESS, local: false } } = {}) => {
    const conn = new PassThrough()
    setPeer(conn, peer)
    return { id, clean: true, conn, version } as unknown as Client & { conn: PassThrough }
  }
  const login = async (user: string | undefined, password: string | undefined, client = clientOf()) => {
    const given = password === undefined ? undefined : Buffer.from(password)
    return (await authorizer.login(client, user, given))?.code
  }
  return { authorizer, clientOf, login, clock, counts, logged }
}

const HOME = userOf('home', { publish: ['wimz/event/#'], subscribe: ['wimz/#'] })

test('a client of another machine needs a user name and its password', async (t) => {
  const { clientOf, login, counts } = stage(t, usersOf(HOME))
  assert.equal(await login(undefined, undefined), NOT_AUTHORIZED)
  assert.equal(await login('home', undefined), WRONG_PASSWORD)
  assert.equal(await login('home', 'wrong'), WRONG_PASSWORD)
  assert.equal(await login('other', 'right'), WRONG_PASSWORD)
  assert.equal(await login('home', 'one too many'), UNAVAILABLE)
  assert.equal(counts.logins_refused, 5)
  assert.equal(await login('home', 'right'), undefined)
  assert.equal(await login('home', 'generated', clientOf({ id: 'second' })), undefined)
  assert.equal(await login('other', 'generated'), WRONG_PASSWORD)
  const local = { address: '127.0.0.1', local: true }
  assert.equal(await login(undefined, undefined, clientOf({ id: 'shell', peer: local })), undefined)
  assert.equal(counts.logins_refused, 6)
})

test('after five wrong passwords its address waits, the right password included; a generated one does not', async (t) => {
  const { clientOf, login, clock, counts } = stage(t, usersOf(HOME, userOf('vision')))
  for (let n = 0; n < 5; n++) assert.equal(await login('home', 'wrong'), WRONG_PASSWORD)
  assert.equal(await login('home', 'right'), NOT_AUTHORIZED)
  assert.equal(await login('vision', 'right'), NOT_AUTHORIZED, 'the address is delayed, whatever the user')
  assert.equal(counts.logins_throttled, 2)
  assert.equal(await login('vision', 'generated', clientOf({ id: 'vision' })), undefined)
  const elsewhere = clientOf({ id: 'elsewhere', peer: { address: '192.0.2.2', local: false } })
  assert.equal(await login('home', 'right', elsewhere), undefined)
  clock.now += 1_000
  assert.equal(await login('home', 'right'), undefined)
  // the failures of the user are forgotten, those of the address are not
  assert.equal(await login('home', 'wrong'), WRONG_PASSWORD)
  assert.equal(await login('home', 'right'), NOT_AUTHORIZED)
})

test('a client that cannot be checked now does not count as a failure', async (t) => {
  const { login } = stage(t, usersOf(HOME))
  for (let n = 0; n < 9; n++) assert.equal(await login('home', 'one too many'), UNAVAILABLE)
  assert.equal(await login('home', 'right'), undefined)
})

test('names of clients and users are in the log, cut', async (t) => {
  const { clientOf, login, logged } = stage(t, usersOf(HOME))
  await login('u'.repeat(100), 'x', clientOf({ id: 'i'.repeat(100) }))
  const reason = 'wrong user name or password'
  assert.deepEqual(logged, [{ address: ADDRESS, user: 'u'.repeat(64), client: 'i'.repeat(64), reason }])
})

test('a client that is gone, or whose user is removed while its password is checked, is rejected', async (t) => {
  const { authorizer, clientOf, login } = stage(t, usersOf(HOME, userOf('guest')))
  const gone = clientOf()
  gone.conn.destroy()
  assert.equal(await login('home', 'right', gone), UNAVAILABLE)
  const pending = login('guest', 'right')
  authorizer.reload(usersOf(HOME))
  assert.equal(await pending, UNAVAILABLE)
  assert.equal(await login('home', 'right', clientOf({ id: 'home-1' })), undefined)
  assert.equal(await login('guest', 'right', clientOf({ id: 'home-1' })), WRONG_PASSWORD)
})

test('the id of a client of another user is rejected until that client is gone', async (t) => {
  const { clientOf, login } = stage(t, usersOf(HOME, userOf('guest')))
  const first = clientOf({ id: 'lamp' })
  assert.equal(await login('home', 'right', first), undefined)
  assert.equal(await login('guest', 'right', clientOf({ id: 'lamp' })), IDENTIFIER)
  first.conn.destroy()
  await new Promise((resolve) => first.conn.once('close', resolve))
  assert.equal(await login('guest', 'right', clientOf({ id: 'lamp' })), undefined)
})

test('rights are those of the user; a client that never logged in has none', async (t) => {
  const { authorizer, clientOf, login } = stage(t, usersOf(HOME))
  const [home, stranger] = [clientOf(), clientOf({ id: 'stranger' })]
  await login('home', 'right', home)
  const rights = (client: Client) => [
    authorizer.mayPublish(client, 'wimz/event/x'),
    authorizer.mayPublish(client, 'wimz/command/x'),
    authorizer.maySubscribe(client, 'wimz/#'),
    authorizer.mayRead(client, 'wimz/x'),
    authorizer.mayRead(client, 'other'),
    authorizer.isAnonymous(client),
  ]
  assert.deepEqual(rights(home), [true, false, true, true, false, false])
  assert.deepEqual(rights(stranger), [false, false, false, false, false, true])
})

test('a reload ends the connections of changed users alone, with the reason for MQTT 5', async (t) => {
  const guest = userOf('guest', { publish: ['a'] })
  const { authorizer, clientOf, login } = stage(t, usersOf(HOME, guest))
  const [home, old, recent] = [
    clientOf({ id: '1' }),
    clientOf({ id: '2' }),
    clientOf({ id: '3', version: 5 }),
  ]
  await login('home', 'right', home)
  for (const client of [old, recent]) await login('guest', 'right', client)
  const gone = clientOf({ id: '4' })
  await login('guest', 'right', gone)
  gone.conn.destroy()
  await new Promise((resolve) => gone.conn.once('close', resolve))
  const destroyedAgain = t.mock.method(gone.conn, 'destroy')
  const written: string[][] = []
  for (const { id, conn } of [home, old, recent]) {
    t.mock.method(conn, 'write', (bytes: Buffer) => written.push([id, bytes.toString('hex')]) > 0)
  }
  authorizer.reload(usersOf(HOME, userOf('guest', { publish: ['b'] })))
  assert.deepEqual(
    [home, old, recent].map(({ conn }) => conn.destroyed),
    [false, true, true],
  )
  assert.equal(destroyedAgain.mock.callCount(), 0)
  assert.deepEqual(written, [['3', 'e0029800']])
  assert.deepEqual([authorizer.mayPublish(old, 'a'), authorizer.mayPublish(old, 'b')], [false, true])
})

test('a users file without users, or that takes rights from a service, changes nothing', (t) => {
  const vision = userOf('vision', { publish: ['wimz/video/#'], subscribe: ['wimz/command/+'] })
  const { authorizer } = stage(t, usersOf(HOME, vision))
  const refused = (users: Users, says: RegExp) =>
    assert.throws(
      () => authorizer.reload(users, ['vision', 'audio']),
      (err) => err instanceof ConfigError && says.test(err.message),
    )
  refused(usersOf(), /has no users/)
  refused(usersOf(HOME), /lacks the service vision/)
  const reduced = userOf('vision', { publish: ['wimz/video/high'], subscribe: ['wimz/command/+'] })
  refused(usersOf(HOME, reduced), /takes publish wimz\/video\/# from the service vision/)
  authorizer.reload(usersOf(userOf('vision', { publish: ['#'], subscribe: ['#'] })), ['vision', 'audio'])
  const empty = stage(t, usersOf()).authorizer
  empty.reload(usersOf())
})
