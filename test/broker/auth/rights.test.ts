import assert from 'node:assert/strict'
import { test } from 'node:test'
import { topics } from '#bus/topics.ts'
import { startUsersBroker, TESTER } from '../users-broker.ts'
import { rows, USERS } from './rights-table.ts'

test('the table contains every topic', () => {
  for (const { pattern, match } of Object.values(topics)) {
    assert.ok(
      rows().some(({ topic }) => match(topic.replace(/^wimz\//, ''))),
      pattern,
    )
  }
})

test('each user may publish what the table grants and nothing else, and stays connected after a denial', async (t) => {
  const { broker, connect } = await startUsersBroker(t)
  const observer = await connect(TESTER)
  const received = new Set<string>()
  const end = Promise.withResolvers<void>()
  observer.on('message', (topic, payload) => {
    received.add(`${topic} ${payload}`)
    if (topic === 'end') end.resolve()
  })
  await observer.subscribeAsync(['#', '$SYS/#'], { qos: 1 })
  const names = rows().filter(({ topic }) => !/[+#]/.test(topic))
  for (const user of USERS) {
    const client = await connect(user === 'local' ? undefined : user)
    for (const { topic } of names) await client.publishAsync(topic, `from ${user}`, { qos: 1 })
    assert.ok(client.connected, user)
  }
  await observer.publishAsync('end', '', { qos: 1 })
  await end.promise
  let denied = 0
  for (const { topic, rights } of names) {
    for (const [i, user] of USERS.entries()) {
      const allowed = rights[i]?.includes('p') ?? false
      if (!allowed) denied++
      assert.equal(received.has(`${topic} from ${user}`), allowed, `${user} publishes ${topic}`)
    }
  }
  assert.equal(broker.totals.publish_refused, denied)
})

test('each user may subscribe to what the table grants, anything else is denied with 0x80', async (t) => {
  const { broker, connect } = await startUsersBroker(t)
  let denied = 0
  for (const [i, user] of USERS.entries()) {
    const client = await connect(user === 'local' ? undefined : user)
    for (const { topic, rights } of rows()) {
      const allowed = rights[i]?.includes('s') ?? false
      if (!allowed) denied++
      const granted = await client.subscribeAsync(topic, { qos: 1 }).then(
        () => 1,
        (err) => err.packet.granted[0],
      )
      assert.equal(granted, allowed ? 1 : 0x80, `${user} subscribes to ${topic}`)
    }
    assert.ok(client.connected, user)
  }
  assert.equal(broker.totals.subscribe_refused, denied)
})
