import assert from 'node:assert/strict'
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { hashPassword } from '#broker/auth/password-hash.ts'
import { until } from '#test/helpers/until.ts'
import { closing, codeOf, startUsersBroker, TESTER } from '../users-broker.ts'

const IDENTIFIER = 2
const WRONG_PASSWORD = 4
const NOT_AUTHORIZED = 5

/** The code with which a client is refused, or 0. */
async function refusal(connecting: Promise<{ endAsync(force: boolean): Promise<void> }>): Promise<unknown> {
  try {
    await (await connecting).endAsync(true)
    return 0
  } catch (err) {
    return codeOf(err)
  }
}

test('passwords that nobody configured are generated, for this user only', async (t) => {
  const { connect, folder, passwordOf } = await startUsersBroker(t)
  for (const user of ['relay-bridge', 'webrtc', 'vision', 'homeassistant', 'health']) {
    assert.equal(statSync(join(folder, 'broker', `${user}.password`)).mode & 0o777, 0o600)
    await connect(user)
  }
  assert.notEqual(passwordOf('vision'), passwordOf('webrtc'))
  assert.equal(await refusal(connect('vision', { password: passwordOf('webrtc') })), WRONG_PASSWORD)
  assert.equal(await refusal(connect('vision', { password: '' })), WRONG_PASSWORD)
  assert.equal(await refusal(connect('nobody', { password: 'x' })), WRONG_PASSWORD)
})

test('a hash in the users file lets in whoever has its password, again and again', async (t) => {
  const password = await hashPassword('correct horse')
  const { connect } = await startUsersBroker(t, { users: { home: { password, subscribe: ['~/+/state'] } } })
  for (let i = 0; i < 3; i++) await connect('home', { password: 'correct horse' })
  assert.equal(await refusal(connect('home', { password: 'correct horsf' })), WRONG_PASSWORD)
})

test('bus.username and bus.password are a user whose password the file does not tell', async (t) => {
  const bus = { username: 'robot', password: 'pass-93be20' }
  const robot = { publish: ['~/#'], client_ids: ['*'] }
  const { connect, logged } = await startUsersBroker(t, { bus, users: { robot } })
  await connect('robot', { password: 'pass-93be20', clientId: 'vision' })
  assert.equal(await refusal(connect('robot', { password: 'other' })), WRONG_PASSWORD)
  assert.ok(!JSON.stringify(logged).includes('pass-93be20'))
})

test('a listener that others reach lets nobody in without user name, not even from this machine', async (t) => {
  const listeners = [{ type: 'mqtt', host: '0.0.0.0', port: 0 }]
  const { broker, connect } = await startUsersBroker(t, { broker: { ws_port: 0, listeners } })
  const [, webSocket, open] = broker.listeners
  for (const url of [`mqtt://127.0.0.1:${open?.port}`, `ws://127.0.0.1:${webSocket?.port}`]) {
    assert.equal(await refusal(connect(undefined, { url })), NOT_AUTHORIZED, url)
    await connect('vision', { url })
  }
  await connect()
})

test('who guesses passwords has to wait, others on this machine do not', async (t) => {
  const { broker, connect } = await startUsersBroker(t)
  for (let i = 0; i < 5; i++) {
    assert.equal(await refusal(connect('vision', { password: `guess ${i}` })), WRONG_PASSWORD)
  }
  assert.equal(await refusal(connect('vision', { password: 'guess 5' })), NOT_AUTHORIZED)
  assert.equal(broker.totals.logins_throttled, 1)
  await connect('vision') // a generated password is no guess: nobody keeps a service out
  await connect('webrtc')
  await connect()
})

test('nobody has the client id of another user', async (t) => {
  const { connect } = await startUsersBroker(t, { users: { relay: {} } })
  const bridge = await connect('relay-bridge', { clientId: 'relay-bridge' })
  const inbox = await connect('relay-bridge', { clientId: 'relay-bridge-inbox', clean: false })
  for (const clientId of ['relay-bridge', 'relay-bridge-inbox', 'relay-bridge-new']) {
    assert.equal(await refusal(connect('relay', { clientId })), IDENTIFIER, clientId)
    assert.equal(await refusal(connect(undefined, { clientId })), IDENTIFIER, clientId)
  }
  await connect('relay', { clientId: 'relay-1' })
  assert.ok(bridge.connected && inbox.connected)
})

test('an id that a user lists as its own, or has a session under, is nobody else’s', async (t) => {
  const users = {
    site: { client_ids: ['house'], sessions: { barn: ['wimz/event/#'] }, subscribe: ['wimz/event/#'] },
  }
  const { connect } = await startUsersBroker(t, { users })
  for (const clientId of ['house', 'barn']) {
    assert.equal(await refusal(connect(undefined, { clientId, clean: false })), IDENTIFIER, clientId)
    assert.equal(await refusal(connect('vision', { clientId })), IDENTIFIER, clientId)
    await connect('site', { clientId, clean: false })
  }
})

test('the will of somebody whose rights are withdrawn is judged by what is left of them', async (t) => {
  const user = { publish: ['wimz/event/#'] }
  const { broker, connect, writeUsers } = await startUsersBroker(t, { users: { guest: user } })
  const heard: string[] = []
  const observer = await connect(TESTER, { onTopic: (topic) => heard.push(topic) })
  await observer.subscribeAsync('wimz/event/#', { qos: 1 })
  const will = { topic: 'wimz/event/last', payload: Buffer.from('x'), qos: 0 as const, retain: false }
  const guest = await connect('guest', { will })
  const closed = closing(guest)
  writeUsers({ guest: {} })
  broker.reload()
  await closed
  await observer.publishAsync('wimz/event/end', '', { qos: 1 })
  await until(() => heard.includes('wimz/event/end'), { show: () => heard })
  assert.deepEqual(heard, ['wimz/event/end'])
})

test('an id that is of no user is for whoever comes first, and so is its session', async (t) => {
  const { connect } = await startUsersBroker(t)
  const first = await connect(undefined, { clientId: 'shell', clean: false })
  assert.equal(await refusal(connect('vision', { clientId: 'shell' })), IDENTIFIER)
  assert.ok(first.connected)
  await first.endAsync()
  assert.equal(await refusal(connect('vision', { clientId: 'shell', clean: false })), IDENTIFIER)
  const again = await connect(undefined, { clientId: 'shell', clean: true })
  await again.endAsync()
  // the broker hears of the end a moment after us
  await until(async () => (await refusal(connect('vision', { clientId: 'shell' }))) !== IDENTIFIER)
})

test('the same user with the same id takes its own place', async (t) => {
  const { connect } = await startUsersBroker(t)
  const first = await connect('vision', { clientId: 'vision' })
  const closed = closing(first)
  await connect('vision', { clientId: 'vision' })
  await closed
})

test('a refused message is acknowledged whatever its QoS, said to nobody, counted, and logged once', async (t) => {
  const { broker, connect, logged } = await startUsersBroker(t)
  const observer = await connect(TESTER)
  const heard: string[] = []
  const end = Promise.withResolvers<void>()
  observer.on('message', (topic) => {
    if (topic === 'wimz/event/end') end.resolve()
    else heard.push(topic)
  })
  await observer.subscribeAsync('wimz/command/#')
  await observer.subscribeAsync('wimz/event/#')
  const local = await connect(undefined, { clientId: 'shell' })
  for (const qos of [0, 1, 2] as const) {
    for (const name of ['treat', 'stop']) {
      await local.publishAsync(`wimz/command/${name}`, '{}', { qos, retain: true })
    }
  }
  await local.publishAsync('wimz/event/end', '{}', { qos: 1 })
  await end.promise
  assert.equal(heard.join(), '')
  assert.equal(broker.totals.publish_refused, 6)
  assert.equal(logged.filter(({ msg }) => String(msg).startsWith('message refused')).length, 1)
  const late = await connect(TESTER)
  late.on('message', (topic) => heard.push(topic))
  await late.subscribeAsync('wimz/command/#')
  await late.publishAsync('x', '', { qos: 1 })
  assert.equal(heard.join(), '', 'and nothing of it is retained')
})

test('a last will is checked like any message', async (t) => {
  const { broker, connect } = await startUsersBroker(t)
  const observer = await connect(TESTER)
  const heard: string[] = []
  const end = Promise.withResolvers<void>()
  observer.on('message', (topic) => {
    heard.push(topic)
    if (topic === 'wimz/event/died') end.resolve()
  })
  await observer.subscribeAsync('wimz/#')
  for (const topic of ['wimz/vision/state', 'wimz/event/died']) {
    const dying = await connect(undefined, {
      will: { topic, payload: Buffer.from('{}'), qos: 1, retain: true },
    })
    const gone = closing(dying)
    dying.stream.destroy()
    await gone
    if (topic === 'wimz/vision/state')
      await until(() => broker.totals.publish_refused === 1, { show: () => broker.totals })
  }
  await end.promise
  assert.ok(!heard.includes('wimz/vision/state'))
})

test('a stored session gets nothing that its user may not read, however it asked', async (t) => {
  const { connect } = await startUsersBroker(t)
  const asking = await connect('health', { clientId: 'health-1', clean: false })
  const filters = ['wimz/+/state', 'wimz/command/+']
  await asking.subscribeAsync(filters, { qos: 1 }).catch(() => {})
  await asking.endAsync()
  const tester = await connect(TESTER)
  await tester.publishAsync('wimz/command/treat', '{}', { qos: 1 })
  await tester.publishAsync('wimz/motors/state', '{}', { qos: 1 })
  const heard: string[] = []
  const onTopic = (topic: string) => void heard.push(topic)
  await connect('health', { clientId: 'health-1', clean: false, onTopic })
  await tester.publishAsync('wimz/leds/state', '{}', { qos: 1 })
  await until(() => heard.includes('wimz/leds/state'), { show: () => heard })
  assert.deepEqual(heard, ['wimz/motors/state', 'wimz/leds/state'])
})

test('users are read again on reload: who has lost his rights is sent away, a bad file changes nothing', async (t) => {
  const home = { subscribe: ['~/event/+'] }
  const { broker, connect, writeUsers, logged } = await startUsersBroker(t, { users: { home } })
  const [before, other] = [await connect('home'), await connect('vision')]
  writeUsers({ home: { subscribe: ['~/not#a/filter'] } })
  broker.reload()
  assert.ok(logged.some(({ msg }) => String(msg).includes('the old ones stay')))
  assert.ok(before.connected)
  const closed = closing(before)
  writeUsers({ home: { subscribe: ['~/telemetry/+'] } })
  broker.reload()
  await closed
  const after = await connect('home')
  await assert.rejects(after.subscribeAsync('wimz/event/+'))
  await after.subscribeAsync('wimz/telemetry/+')
  assert.ok(other.connected)
})

test('# is not meant for what the broker says of itself [MQTT-4.7.2-1]', async (t) => {
  const { connect } = await startUsersBroker(t)
  const heard: string[] = []
  const client = await connect()
  client.on('message', (topic) => heard.push(topic))
  await client.subscribeAsync('#')
  await client.subscribeAsync('$SYS/broker/uptime')
  await until(() => heard.includes('$SYS/broker/uptime'), { show: () => heard })
  assert.ok(heard.includes('wimz/broker/state'))
  assert.deepEqual(
    heard.filter((topic) => topic.startsWith('$')),
    ['$SYS/broker/uptime'],
  )
})
