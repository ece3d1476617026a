import assert from 'node:assert/strict'
import { test } from 'node:test'
import { until } from '#dev/harness/until.ts'
import { startUsersBroker } from '../users-broker.ts'

test('events published before the first connection of the bridge are queued for it, in order', async (t) => {
  const { connect } = await startUsersBroker(t)
  const robot = await connect()
  for (const n of [1, 2, 3]) await robot.publishAsync('wimz/event/alert', `${n}`, { qos: 1 })
  await robot.publishAsync('wimz/telemetry/battery', 'not queued', { qos: 1 })
  const received: string[] = []
  await connect('relay-bridge', {
    clientId: 'relay-bridge-inbox-wimz',
    clean: false,
    onTopic: (topic) => received.push(topic),
  })
  await until(() => received.length >= 3, { show: () => received })
  await robot.publishAsync('wimz/event/alert', '4', { qos: 1 })
  await until(() => received.length >= 4, { show: () => received })
  assert.deepEqual(received, Array(4).fill('wimz/event/alert'))
})

test('a provisioned session receives only what its user may read', async (t) => {
  const users = { curious: { subscribe: ['wimz/event/x'], sessions: { 'curious-inbox': ['wimz/event/+'] } } }
  const { connect } = await startUsersBroker(t, { users })
  const robot = await connect()
  await robot.publishAsync('wimz/event/y', 'secret', { qos: 1 })
  const received: string[] = []
  const clientId = 'curious-inbox'
  const curious = await connect('curious', {
    clientId,
    clean: false,
    onTopic: (topic) => received.push(topic),
  })
  await curious.subscribeAsync('wimz/event/x', { qos: 1 })
  await robot.publishAsync('wimz/event/x', 'for all', { qos: 1 })
  await until(() => received.length >= 1, { show: () => received })
  assert.deepEqual(received, ['wimz/event/x'])
})

test('with the cloud disabled nothing is queued for the relay-bridge', async (t) => {
  const queues = { messages: 2, bytes: 10_000, totalBytes: 10_000 }
  const { broker, connect } = await startUsersBroker(t, { cloud: { enabled: false }, queues })
  const robot = await connect()
  for (const n of [1, 2, 3]) await robot.publishAsync('wimz/event/alert', `${n}`, { qos: 1 })
  assert.equal(broker.totals.queued_dropped, undefined)
})

test('a reload creates added sessions and deletes removed ones', async (t) => {
  const user = { subscribe: ['wimz/event/#'] }
  const { broker, connect, writeUsers } = await startUsersBroker(t, {
    users: { site: { ...user, sessions: { 'site-old': ['wimz/event/#'] } } },
  })
  writeUsers({ site: { ...user, sessions: { 'site-new': ['wimz/event/#'] } } })
  broker.reload()
  const robot = await connect()
  await robot.publishAsync('wimz/event/alert', '1', { qos: 1 })
  const received: string[] = []
  for (const clientId of ['site-old', 'site-new']) {
    await connect('site', { clientId, clean: false, onTopic: () => received.push(clientId) })
  }
  await until(() => received.length >= 1, { show: () => received })
  await robot.publishAsync('wimz/event/alert', '2', { qos: 1 })
  await until(() => received.length >= 2, { show: () => received })
  assert.deepEqual(received, ['site-new', 'site-new'])
})
