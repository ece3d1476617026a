import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { type Bus, connectBus } from '#bus/bus.ts'
import { createClient } from '#bus/client.ts'
import { topics } from '#bus/topics.ts'
import { collect } from '#dev/harness/collect.ts'
import { startMosquitto } from '#dev/harness/mosquitto.ts'
import { freePorts } from '#dev/harness/ports.ts'
import { until } from '#dev/harness/until.ts'
import { busLogin } from '#lib/bus-login.ts'
import { ConfigError } from '#lib/config-error.ts'
import { BusSection } from '#lib/config-schema.ts'
import { certify } from '#test/helpers/certify.ts'
import { temporaryFolder } from '#test/helpers/folder.ts'
import { without } from '#test/helpers/tools.ts'

const skip = without('mosquitto', 'openssl')
const broker = { enabled: false, host: '127.0.0.1' }

/** Mosquitto with a listener of each kind; those with TLS require a client certificate. */
async function startExternalBroker(t: TestContext) {
  const folder = temporaryFolder(t)
  const ports = await freePorts(4)
  const server = certify(folder, 'broker', 'broker-')
  const client = certify(folder, 'robot', 'robot-')
  const tls = [
    `certfile ${server.cert}`,
    `keyfile ${server.key}`,
    `cafile ${client.cert}`,
    'require_certificate true',
  ]
  const kinds = ['mqtt', 'mqtts', 'ws', 'wss'] as const
  const conf = kinds.flatMap((kind, i) => [
    `listener ${ports[i]} 127.0.0.1`,
    `protocol ${kind.startsWith('ws') ? 'websockets' : 'mqtt'}`,
    ...(kind.endsWith('s') && kind !== 'ws' ? tls : []),
  ])
  const mosquitto = await startMosquitto(folder, ports[0] ?? 0, ['allow_anonymous true', ...conf].join('\n'))
  t.after(() => mosquitto[Symbol.asyncDispose]())
  const sections = kinds.map((kind, i) => {
    const url = `${kind}://127.0.0.1:${ports[i]}`
    const isSecure = kind === 'mqtts' || kind === 'wss'
    return BusSection.parse(isSecure ? { url, ca: server.cert, ...client } : { url })
  })
  return { folder, sections, server, client }
}

function open(section: BusSection, service: string) {
  const login = busLogin(service, section, { broker, data_dir: '/nowhere' })
  const log = { warn() {}, info() {}, debug() {} }
  return connectBus({ ...section, ...login, service, version: '1', log })
}

test('mqtt, mqtts, ws and wss, with CA and client certificate: messages and last wills are delivered', {
  skip,
}, async (t) => {
  const { sections } = await startExternalBroker(t)
  const buses = await Promise.all(sections.map((section, i) => open(section, `service-${i}`)))
  for (const bus of buses) t.after(() => bus[Symbol.asyncDispose]())
  const received = await Promise.all(buses.map((bus) => collect(bus, topics.event, { name: 'hello' })))
  for (const [from, bus] of buses.entries()) await bus.publish(topics.event, { from }, { name: 'hello' })
  for (const one of received) {
    for (const from of buses.keys()) await one.next({ where: (event) => event?.from === from })
  }
  const [first, , , last] = buses
  assert.ok(first && last)
  const states = await collect(first, topics.serviceState, { service: 'service-3' })
  await states.next({ where: ({ state }) => state === 'online' })
  await last[Symbol.asyncDispose]()
  await states.next({ where: ({ state }) => state === 'offline' })
})

test('a broker with a certificate of an unknown CA is not used', { skip }, async (t) => {
  const { sections, folder } = await startExternalBroker(t)
  const stranger = certify(folder, 'stranger', 'stranger-')
  for (const section of sections.filter(({ ca }) => ca !== undefined)) {
    const login = busLogin('service', { ...section, ca: stranger.cert }, { broker, data_dir: '/nowhere' })
    const log = { warn() {}, info() {}, debug() {} }
    const client = createClient({ ...section, ...login, service: 'service', version: '1', log }, {})
    t.after(() => client.endAsync(true))
    client.on('connect', () => assert.fail('connected'))
    const err = await new Promise((resolve) => client.once('error', resolve))
    assert.match(String(err), /self.signed|unable to verify/)
  }
})

test('contradictory settings are rejected when the config is read', (t) => {
  const folder = temporaryFolder(t)
  const refused = (section: object, pattern: RegExp) => {
    const { error } = BusSection.safeParse(section)
    assert.match(
      error?.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('\n') ?? '',
      pattern,
    )
  }
  refused({ url: 'mqtts://x', cert: 'a.pem' }, /cert: cert and key go together/)
  refused({ url: 'mqtt://x', ca: 'a.pem' }, /url: ca, cert and key need a url of mqtts/)
  refused({ password: 'x' }, /username: a password needs its username/)
  refused({ username: 'x', own_users: true }, /own_users takes the place/)
  refused({ url: 'http://x' }, /url/)
  refused({ url: [] }, /url/)
  refused({ url: ['mqtt://x', 'http://y'] }, /url/)
  refused({ url: ['mqtt://x', 'mqtts://y'] }, /url: the addresses of a list differ in host and port only/)
  refused({ url: ['mqtt://x', 'mqtt://y'], ca: 'a.pem' }, /url: ca, cert and key need a url of mqtts/)
  const login = (ca: string) =>
    busLogin('vision', BusSection.parse({ url: 'mqtts://x', ca }), { broker, data_dir: folder })
  const told = (pattern: RegExp) => (err: unknown) => err instanceof ConfigError && pattern.test(err.message)
  assert.throws(() => login(join(folder, 'none.pem')), told(/bus\.ca: .*none\.pem cannot be read \(ENOENT\)/))
  const empty = join(folder, 'empty.pem')
  writeFileSync(empty, 'no certificate')
  assert.throws(() => login(empty), told(/bus\.ca: .*empty\.pem is not a PEM file/))
})

test('own_users: a service uses its own name and password at an external broker', (t) => {
  const data_dir = temporaryFolder(t)
  const bus = BusSection.parse({ url: 'mqtts://broker.example', own_users: true })
  const { username, password } = busLogin('webrtc', bus, { broker, data_dir })
  assert.equal(username, 'webrtc')
  assert.match(password ?? '', /^[\w-]{32}$/)
})

test('two robots with a prefix each share a broker: neither disconnects the other, nor gets its events', {
  skip,
}, async (t) => {
  const { sections } = await startExternalBroker(t)
  const [section] = sections
  assert.ok(section)
  const received: Record<string, unknown[]> = { one: [], two: [] }
  const reconnects: string[] = []
  const buses: Bus[] = []
  for (const prefix of ['one', 'two']) {
    const bus = await open({ ...section, prefix }, 'relay-bridge')
    t.after(() => bus[Symbol.asyncDispose]())
    bus.onConnect(() => reconnects.push(prefix))
    const events = await bus.subscribeDurably(
      topics.event,
      async (event) => void received[prefix]?.push(event.from),
    )
    t.after(() => events[Symbol.asyncDispose]())
    buses.push(bus)
  }
  for (const [i, bus] of buses.entries()) await bus.publish(topics.event, { from: i }, { name: 'hello' })
  await until(() => received.one?.length === 1 && received.two?.length === 1, { show: () => received })
  assert.deepEqual(received, { one: [0], two: [1] })
  assert.deepEqual(reconnects, [])
})
