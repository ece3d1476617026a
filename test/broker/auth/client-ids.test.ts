import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ClientIds } from '#broker/auth/client-ids.ts'
import type { User, Users } from '#broker/auth/users.ts'
import { until } from '#dev/harness/until.ts'
import * as raw from '../protocol/raw-client.ts'
import { startUsersBroker } from '../users-broker.ts'

const site: User = {
  name: 'site',
  hash: undefined,
  clientIds: ['*'],
  sessions: new Map([['site-inbox', []]]),
  publish: [],
  subscribe: [],
}
const users: Users = { byName: new Map([['site', site]]), local: { publish: [], subscribe: [] } }

function clientIds(options: { maxOffline?: number; expiryMs?: number } = {}) {
  const discarded: string[] = []
  const ids = new ClientIds(users, { discard: (id) => discarded.push(id), ...options })
  /** A session whose client has disconnected. */
  const store = (id: string, address = '127.0.0.1', user: User | undefined = undefined) => {
    assert.equal(ids.rejection(id, user), undefined)
    ids.connected(id, { user, address, clean: false })
    ids.disconnected(id)
  }
  return { ids, discarded, store }
}

test('beyond the limit the oldest session of the address with most sessions is deleted, never a new one rejected', () => {
  const { ids, discarded, store } = clientIds({ maxOffline: 4 })
  store('first', '127.0.0.9')
  for (const id of ['a', 'b', 'c']) store(id)
  assert.deepEqual(discarded, [])
  store('d')
  store('e')
  assert.deepEqual(discarded, ['a', 'b'])
  assert.equal(ids.offlineSessions, 4)
})

test('sessions of connected clients and those of the users file are not deleted', () => {
  const { ids, discarded, store } = clientIds({ maxOffline: 1 })
  ids.connected('connected', { user: undefined, address: '127.0.0.1', clean: false })
  store('site-inbox', '10.0.0.1', site)
  store('site-1', '10.0.0.1', site)
  store('x')
  assert.deepEqual(discarded, [])
  store('y')
  store('site-2', '10.0.0.1', site)
  assert.deepEqual(discarded, ['x', 'site-1'])
})

test('a session without a user name expires, unless its client comes back', async () => {
  const { ids, discarded, store } = clientIds({ expiryMs: 1 })
  store('back')
  ids.connected('back', { user: undefined, address: '127.0.0.1', clean: false })
  store('site-1', '10.0.0.1', site)
  store('gone')
  // the timers are not a reason to stay alive
  await until(() => discarded.length > 0, { every: 1 })
  assert.deepEqual(discarded, ['gone'])
  assert.equal(ids.rejection('gone', site), undefined, 'its client id is free')
})

test('50 stored sessions of anonymous clients do not lock out another one, and cost no more than their limit', async (t) => {
  const { broker, connect } = await startUsersBroker(t, {
    broker: { limits: { connections_per_second: 100 } },
  })
  const store = async (id: string) => {
    const client = await raw.dial(t, broker.port)
    client.send(raw.connect({ id, clean: false }), raw.subscribe(1, ['wimz/event/#', 1]))
    assert.deepEqual(
      await client.take(2),
      [raw.connack(), raw.suback(1, 1)].map((bytes) => bytes.toString('hex')),
    )
    client.send(raw.DISCONNECT)
    assert.equal(await client.next(), 'closed')
  }
  for (let i = 0; i < 60; i++) await store(`hoarder-${i}`)
  await store('honest')
  const robot = await connect('vision')
  await robot.publishAsync('wimz/event/bark', '{}', { qos: 1 })
  const presentOf = async (id: string) => {
    const client = await raw.dial(t, broker.port)
    client.send(raw.connect({ id, clean: false }))
    return (await client.next()) === raw.connack(0, 1).toString('hex')
  }
  assert.equal(await presentOf('honest'), true)
  assert.equal(await presentOf('hoarder-59'), true)
  assert.equal(await presentOf('hoarder-0'), false)
})
