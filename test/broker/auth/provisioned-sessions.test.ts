import assert from 'node:assert/strict'
import { test } from 'node:test'
import { until } from '#test/helpers/until.ts'
import { startUsersBroker } from '../users-broker.ts'

test('events that are said before the bridge has ever been there wait for it, in order', async (t) => {
  const { connect } = await startUsersBroker(t)
  const robot = await connect()
  for (const n of [1, 2, 3]) await robot.publishAsync('wimz/event/alert', `${n}`, { qos: 1 })
  await robot.publishAsync('wimz/telemetry/battery', 'not kept', { qos: 1 })
  const heard: string[] = []
  await connect('relay-bridge', {
    clientId: 'relay-bridge-inbox',
    clean: false,
    onTopic: (topic) => heard.push(topic),
  })
  await until(() => heard.length >= 3, { show: () => heard })
  await robot.publishAsync('wimz/event/alert', '4', { qos: 1 })
  await until(() => heard.length >= 4, { show: () => heard })
  assert.deepEqual(heard, Array(4).fill('wimz/event/alert'))
})

test('a session whose user may not read what is kept for it gets nothing', async (t) => {
  const users = { curious: { subscribe: ['wimz/event/x'], sessions: { 'curious-inbox': ['wimz/event/+'] } } }
  const { connect } = await startUsersBroker(t, { users })
  const robot = await connect()
  await robot.publishAsync('wimz/event/y', 'secret', { qos: 1 })
  const heard: string[] = []
  const clientId = 'curious-inbox'
  const curious = await connect('curious', { clientId, clean: false, onTopic: (topic) => heard.push(topic) })
  await curious.subscribeAsync('wimz/event/x', { qos: 1 })
  await robot.publishAsync('wimz/event/x', 'for all', { qos: 1 })
  await until(() => heard.length >= 1, { show: () => heard })
  assert.deepEqual(heard, ['wimz/event/x'])
})

test('where there is no relay-bridge nothing is kept for it', async (t) => {
  const queues = { messages: 2, bytes: 10_000, totalBytes: 10_000 }
  const { broker, connect } = await startUsersBroker(t, { cloud: { enabled: false }, queues })
  const robot = await connect()
  for (const n of [1, 2, 3]) await robot.publishAsync('wimz/event/alert', `${n}`, { qos: 1 })
  assert.equal(broker.totals.queued_dropped, undefined)
})

test('SIGHUP keeps the sessions that were added, and no longer those that were taken out', async (t) => {
  const user = { subscribe: ['wimz/event/#'] }
  const { broker, connect, writeUsers } = await startUsersBroker(t, {
    users: { site: { ...user, sessions: { 'site-old': ['wimz/event/#'] } } },
  })
  writeUsers({ site: { ...user, sessions: { 'site-new': ['wimz/event/#'] } } })
  broker.reload()
  const robot = await connect()
  await robot.publishAsync('wimz/event/alert', '1', { qos: 1 })
  const heard: string[] = []
  for (const clientId of ['site-old', 'site-new']) {
    await connect('site', { clientId, clean: false, onTopic: () => heard.push(clientId) })
  }
  await until(() => heard.length >= 1, { show: () => heard })
  await robot.publishAsync('wimz/event/alert', '2', { qos: 1 })
  await until(() => heard.length >= 2, { show: () => heard })
  assert.deepEqual(heard, ['site-new', 'site-new'])
})
