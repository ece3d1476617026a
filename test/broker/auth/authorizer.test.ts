import assert from 'node:assert/strict'
import { readFileSync, renameSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { hashPassword } from '#broker/auth/password-hash.ts'
import { until } from '#dev/harness/until.ts'
import { closing, codeOf, startUsersBroker, TESTER } from '../users-broker.ts'

const IDENTIFIER = 2
const BUSY = 3
const WRONG_PASSWORD = 4
const NOT_AUTHORIZED = 5

/** A file that was not written to its end, without the last services. */
function cutShort(users: string): string {
  return users.slice(0, users.indexOf('  webrtc:'))
}

/** CONNACK return code of a connection attempt. */
async function returnCode(
  connecting: Promise<{ endAsync(force: boolean): Promise<void> }>,
): Promise<unknown> {
  try {
    await (await connecting).endAsync(true)
    return 0
  } catch (err) {
    return codeOf(err)
  }
}

test('a user without a configured password gets a generated one, valid for that user only', async (t) => {
  const { connect, folder, passwordOf } = await startUsersBroker(t)
  for (const user of ['relay-bridge', 'webrtc', 'vision', 'homeassistant', 'health']) {
    assert.equal(statSync(join(folder, 'broker', `${user}.password`)).mode & 0o777, 0o600)
    await connect(user)
  }
  assert.notEqual(passwordOf('vision'), passwordOf('webrtc'))
  assert.equal(await returnCode(connect('vision', { password: passwordOf('webrtc') })), WRONG_PASSWORD)
  assert.equal(await returnCode(connect('vision', { password: '' })), WRONG_PASSWORD)
  assert.equal(await returnCode(connect('unknown', { password: 'x' })), WRONG_PASSWORD)
})

test('a user with a hash logs in with its password, repeatedly', async (t) => {
  const password = await hashPassword('correct horse')
  const { connect } = await startUsersBroker(t, { users: { home: { password, subscribe: ['~/+/state'] } } })
  for (let i = 0; i < 3; i++) await connect('home', { password: 'correct horse' })
  assert.equal(await returnCode(connect('home', { password: 'correct horsf' })), WRONG_PASSWORD)
})

test('bus.username and bus.password are a user whose password is not in the users file', async (t) => {
  const bus = { username: 'robot', password: 'pass-93be20' }
  const robot = { publish: ['~/#'], client_ids: ['*'] }
  const { connect, logged } = await startUsersBroker(t, { bus, users: { robot } })
  await connect('robot', { password: 'pass-93be20', clientId: 'vision' })
  assert.equal(await returnCode(connect('robot', { password: 'other' })), WRONG_PASSWORD)
  assert.ok(!JSON.stringify(logged).includes('pass-93be20'))
})

test('a listener on a public address accepts no client without a user name, not even from this machine', async (t) => {
  const listeners = [{ type: 'mqtt', host: '0.0.0.0', port: 0 }]
  const { broker, connect } = await startUsersBroker(t, { broker: { ws_port: 0, listeners } })
  const [, webSocket, open] = broker.listeners
  for (const url of [`mqtt://127.0.0.1:${open?.port}`, `ws://127.0.0.1:${webSocket?.port}`]) {
    assert.equal(await returnCode(connect(undefined, { url })), NOT_AUTHORIZED, url)
    await connect('vision', { url })
  }
  await connect()
})

test('wrong passwords on this machine lock out neither the right one nor other users', async (t) => {
  const password = await hashPassword('correct horse')
  const { connect } = await startUsersBroker(t, { users: { home: { password }, alarm: { password } } })
  const guesses = Array.from({ length: 7 }, (_, i) =>
    returnCode(connect('home', { password: `guess ${i}`, clientId: `home-${i}` })),
  )
  assert.deepEqual(await Promise.all(guesses), Array(7).fill(WRONG_PASSWORD))
  const again = returnCode(connect('home', { password: 'guess', clientId: 'home-again' }))
  const right = returnCode(connect('home', { password: 'correct horse', clientId: 'home-lights' }))
  await connect('alarm', { password: 'correct horse' })
  await connect('vision') // a generated password is not delayed
  assert.deepEqual([await again, await right], [WRONG_PASSWORD, 0])
})

test('a flood of wrong passwords does not delay a client that was accepted before', async (t) => {
  const password = await hashPassword('correct horse')
  const { connect } = await startUsersBroker(t, { users: { home: { password } } })
  const lights = { password: 'correct horse', clientId: 'home-lights' }
  await (await connect('home', lights)).endAsync()
  const guesses = Array.from({ length: 40 }, (_, i) =>
    returnCode(connect('home', { password: `guess ${i}`, clientId: `home-${i}` })),
  )
  await connect('home', lights)
  const codes = await Promise.all(guesses)
  assert.ok(codes.filter((code) => code === BUSY).length > 20, 'the queue is bounded')
  assert.ok(codes.includes(WRONG_PASSWORD))
  assert.ok(!codes.includes(0))
})

test('a client id of another user is rejected', async (t) => {
  const { connect } = await startUsersBroker(t, { users: { relay: {} } })
  const bridge = await connect('relay-bridge', { clientId: 'relay-bridge' })
  const inbox = await connect('relay-bridge', { clientId: 'relay-bridge-inbox', clean: false })
  for (const clientId of ['relay-bridge', 'relay-bridge-inbox', 'relay-bridge-new']) {
    assert.equal(await returnCode(connect('relay', { clientId })), IDENTIFIER, clientId)
    assert.equal(await returnCode(connect(undefined, { clientId })), IDENTIFIER, clientId)
  }
  await connect('relay', { clientId: 'relay-1' })
  assert.ok(bridge.connected && inbox.connected)
})

test('a client id in client_ids or sessions of a user is rejected for others', async (t) => {
  const users = {
    site: { client_ids: ['house'], sessions: { barn: ['wimz/event/#'] }, subscribe: ['wimz/event/#'] },
  }
  const { connect } = await startUsersBroker(t, { users })
  for (const clientId of ['house', 'barn']) {
    assert.equal(await returnCode(connect(undefined, { clientId, clean: false })), IDENTIFIER, clientId)
    assert.equal(await returnCode(connect('vision', { clientId })), IDENTIFIER, clientId)
    await connect('site', { clientId, clean: false })
  }
})

test('the last will of a client whose rights were withdrawn is checked against the new rights', async (t) => {
  const user = { publish: ['wimz/event/#'] }
  const { broker, connect, writeUsers } = await startUsersBroker(t, { users: { guest: user } })
  const received: string[] = []
  const observer = await connect(TESTER, { onTopic: (topic) => received.push(topic) })
  await observer.subscribeAsync('wimz/event/#', { qos: 1 })
  const will = { topic: 'wimz/event/last', payload: Buffer.from('x'), qos: 0 as const, retain: false }
  const guest = await connect('guest', { will })
  const closed = closing(guest)
  writeUsers({ guest: {} })
  broker.reload()
  await closed
  await observer.publishAsync('wimz/event/end', '', { qos: 1 })
  await until(() => received.includes('wimz/event/end'), { show: () => received })
  assert.deepEqual(received, ['wimz/event/end'])
})

test('a client id of no user belongs to its first client, with its session', async (t) => {
  const { connect } = await startUsersBroker(t)
  const first = await connect(undefined, { clientId: 'shell', clean: false })
  assert.equal(await returnCode(connect('vision', { clientId: 'shell' })), IDENTIFIER)
  assert.ok(first.connected)
  await first.endAsync()
  assert.equal(await returnCode(connect('vision', { clientId: 'shell', clean: false })), IDENTIFIER)
  const again = await connect(undefined, { clientId: 'shell', clean: true })
  await again.endAsync()
  // the broker notices the disconnect later than the client
  await until(async () => (await returnCode(connect('vision', { clientId: 'shell' }))) !== IDENTIFIER)
})

test('a second client with the same user and client id replaces the first', async (t) => {
  const { connect } = await startUsersBroker(t)
  const first = await connect('vision', { clientId: 'vision' })
  const closed = closing(first)
  await connect('vision', { clientId: 'vision' })
  await closed
})

test('a denied message is acknowledged at any QoS, delivered to no client, counted, and logged once', async (t) => {
  const { broker, connect, logged } = await startUsersBroker(t)
  const observer = await connect(TESTER)
  const received: string[] = []
  const end = Promise.withResolvers<void>()
  observer.on('message', (topic) => {
    if (topic === 'wimz/event/end') end.resolve()
    else received.push(topic)
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
  assert.equal(received.join(), '')
  assert.equal(broker.totals.publish_refused, 6)
  assert.equal(logged.filter(({ msg }) => String(msg).startsWith('message denied')).length, 1)
  const late = await connect(TESTER)
  late.on('message', (topic) => received.push(topic))
  await late.subscribeAsync('wimz/command/#')
  await late.publishAsync('x', '', { qos: 1 })
  assert.equal(received.join(), '', 'it is not retained either')
})

test('a last will is checked like any message', async (t) => {
  const { broker, connect } = await startUsersBroker(t)
  const observer = await connect(TESTER)
  const received: string[] = []
  const end = Promise.withResolvers<void>()
  observer.on('message', (topic) => {
    received.push(topic)
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
  assert.ok(!received.includes('wimz/vision/state'))
})

test('a stored session receives only what its user may read, whatever it subscribed to', async (t) => {
  const { connect } = await startUsersBroker(t)
  const first = await connect('health', { clientId: 'health-1', clean: false })
  const filters = ['wimz/+/state', 'wimz/command/+']
  await first.subscribeAsync(filters, { qos: 1 }).catch(() => {})
  await first.endAsync()
  const tester = await connect(TESTER)
  await tester.publishAsync('wimz/command/treat', '{}', { qos: 1 })
  await tester.publishAsync('wimz/motors/state', '{}', { qos: 1 })
  const received: string[] = []
  const onTopic = (topic: string) => void received.push(topic)
  await connect('health', { clientId: 'health-1', clean: false, onTopic })
  await tester.publishAsync('wimz/leds/state', '{}', { qos: 1 })
  await until(() => received.includes('wimz/leds/state'), { show: () => received })
  assert.deepEqual(received, ['wimz/motors/state', 'wimz/leds/state'])
})

test('a reload disconnects clients whose rights changed; an invalid users file changes nothing', async (t) => {
  const home = { subscribe: ['~/event/+'] }
  const { broker, connect, writeUsers, logged } = await startUsersBroker(t, { users: { home } })
  const [before, other] = [await connect('home'), await connect('vision')]
  writeUsers({ home: { subscribe: ['~/not#a/filter'] } })
  broker.reload()
  assert.ok(logged.some(({ msg }) => String(msg).includes('keeping the current ones')))
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

test('a replaced users file is reloaded without a signal, and a damaged one is refused', async (t) => {
  const options = { users: { home: { subscribe: ['~/event/+'] } }, pollInterval: 20 }
  const { connect, writeUsers, folder, logged } = await startUsersBroker(t, options)
  const path = join(folder, 'broker.yaml')
  const vision = await connect('vision')
  const original = readFileSync(path, 'utf8')
  const closed = closing(await connect('home'))
  writeUsers({ home: { subscribe: ['~/telemetry/+'] } })
  await closed
  await (await connect('home')).subscribeAsync('wimz/telemetry/+')
  writeFileSync(path, cutShort(original))
  const isRefused = () => logged.some(({ msg }) => msg === 'users reload failed; keeping the current ones')
  await until(isRefused, { show: () => logged })
  assert.ok(vision.connected)
  await connect('webrtc')
  // as an editor or a configuration tool does it
  writeFileSync(`${path}.new`, original)
  const closedAgain = closing(await connect('home'))
  renameSync(`${path}.new`, path)
  await closedAgain
})

test('# does not match $SYS topics [MQTT-4.7.2-1]', async (t) => {
  const { connect } = await startUsersBroker(t)
  const received: string[] = []
  const client = await connect()
  client.on('message', (topic) => received.push(topic))
  await client.subscribeAsync('#')
  await client.subscribeAsync('$SYS/broker/uptime')
  await until(() => received.includes('$SYS/broker/uptime'), { show: () => received })
  assert.ok(received.includes('wimz/broker/state'))
  assert.deepEqual(
    received.filter((topic) => topic.startsWith('$')),
    ['$SYS/broker/uptime'],
  )
})

test('a reload that leaves no users, or takes rights from a service, is refused and changes nothing', async (t) => {
  const { broker, connect, folder, logged } = await startUsersBroker(t)
  const path = join(folder, 'broker.yaml')
  const original = readFileSync(path, 'utf8')
  const vision = await connect('vision')
  for (const text of ['', 'users: {}', cutShort(original), original.replace('~/video/+/vp8', '~/x')]) {
    writeFileSync(path, text)
    const before = logged.length
    broker.reload()
    assert.ok(
      logged.slice(before).some(({ msg }) => msg === 'users reload failed; keeping the current ones'),
      text.slice(0, 40),
    )
    assert.ok(vision.connected)
    await connect('webrtc')
  }
})

test('a command is never retained, whatever its publisher asks for', async (t) => {
  const { broker, connect } = await startUsersBroker(t)
  const operator = await connect('operator')
  const received: string[] = []
  const motors = await connect(TESTER, { onTopic: (topic) => received.push(topic) })
  await motors.subscribeAsync('wimz/command/#', { qos: 1 })
  for (const name of ['motor', 'treat']) {
    await operator.publishAsync(`wimz/command/${name}`, '{}', { qos: 1, retain: true })
  }
  await until(() => received.length === 2)
  const late = await connect(TESTER, { onTopic: (topic) => received.push(`late ${topic}`) })
  await late.subscribeAsync(['wimz/command/#', 'wimz/event/end'], { qos: 1 })
  await late.publishAsync('wimz/event/end', '', { qos: 1 })
  await until(() => received.includes('late wimz/event/end'))
  assert.deepEqual(received, ['wimz/command/motor', 'wimz/command/treat', 'late wimz/event/end'])
  assert.equal(broker.totals.retain_refused, 2)
})
