import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import mqtt, { type IClientOptions } from 'mqtt'
import { connectBus } from '#bus/bus.ts'
import { topics } from '#bus/topics.ts'
import { CONTROLS } from '#commands/controls.ts'
import { documentedConf, startMosquitto } from '#dev/harness/mosquitto.ts'
import { freePorts } from '#dev/harness/ports.ts'
import { createLogger } from '#lib/logger.ts'
import { ensurePassword } from '#lib/password-file.ts'
import { HomeAssistantSection } from '#services/home-assistant/config.ts'
import { startUsersBroker, TESTER } from '#test/broker/users-broker.ts'
import { temporaryFolder } from '#test/helpers/folder.ts'
import { without } from '#test/helpers/tools.ts'
import { DeviceDiscovery, DISCOVERY_TOPIC } from './schema.ts'
import { startService } from './start.ts'

const TOPIC = 'homeassistant/device/Wimz-robot_06/config'
const LOG = createLogger('test', { write: () => undefined })

/** The service on a broker with the rights of its user. */
async function startThere(
  t: TestContext,
  port: number,
  password: string,
  section: object = {},
  hasSpeaker = false,
) {
  const bus = await connectBus({
    url: `mqtt://127.0.0.1:${port}`,
    username: 'homeassistant',
    password,
    prefix: 'wimz',
    service: 'homeassistant',
    version: '0',
    log: LOG,
  })
  t.after(() => bus[Symbol.asyncDispose]())
  const service = await startService(t, bus, { log: LOG, section, hasSpeaker })
  t.after(() => service[Symbol.asyncDispose]())
  return bus
}

/** What lies retained below these filters; `client` needs to be able to read `end`. */
async function retained(url: string, login: IClientOptions, filters: string[], last: string) {
  const client = await mqtt.connectAsync(url, login)
  const found = new Map<string, string>()
  const done = Promise.withResolvers<void>()
  client.on('message', (topic, payload, { retain }) => {
    if (retain) found.set(topic, payload.toString())
    if (topic === last) done.resolve()
  })
  const timer = setTimeout(() => done.reject(new Error(`no ${last}`)), 20_000)
  await client.subscribeAsync(filters, { qos: 1 })
  await done.promise.finally(() => clearTimeout(timer))
  await client.endAsync()
  return found
}

test('the retained discovery message is what Home Assistant documents, key by key', async (t) => {
  const { broker, passwordOf } = await startUsersBroker(t)
  await startThere(t, broker.port, passwordOf('homeassistant'))
  const login = { username: TESTER, password: passwordOf(TESTER) }
  const found = await retained(`mqtt://127.0.0.1:${broker.port}`, login, ['homeassistant/#'], TOPIC)
  assert.deepEqual([...found.keys()], [TOPIC])
  assert.match(TOPIC, DISCOVERY_TOPIC)
  const message = DeviceDiscovery.parse(JSON.parse(found.get(TOPIC) ?? ''))
  assert.deepEqual(message.device.identifiers, ['Wimz-robot_06'])
  assert.equal(message.availability_mode, 'all')
  const kinds = Object.entries(message.components).map(([key, one]) => [
    key,
    one.platform,
    'device_class' in one ? one.device_class : undefined,
  ])
  assert.deepEqual(kinds, [
    ['camera', 'camera', undefined],
    ['dog_present', 'binary_sensor', 'occupancy'],
    ['last_seen', 'sensor', 'timestamp'],
    ['stop', 'button', undefined],
    ['photo', 'button', undefined],
    ['overlay', 'switch', undefined],
    ['quality', 'select', undefined],
    ['dog', 'event', undefined],
    ['zone', 'event', undefined],
    ['bark', 'event', undefined],
    ['command', 'event', undefined],
    ['viewers', 'sensor', undefined],
    ['link', 'binary_sensor', 'connectivity'],
    ['battery', 'sensor', 'battery'],
    ['treats_left', 'sensor', undefined],
    ['temperature', 'sensor', 'temperature'],
    ['wifi_signal', 'sensor', 'signal_strength'],
    ['storage_free', 'sensor', 'data_size'],
    ['fps', 'sensor', undefined],
    ['picture_age', 'sensor', 'duration'],
    ['software', 'update', 'firmware'],
  ])
  const ids = Object.values(message.components).flatMap((one) => [one.unique_id, one.default_entity_id])
  assert.equal(new Set(ids).size, 2 * kinds.length)
  assert.ok(ids.includes('sensor.wimz_robot_06_battery'))
  assert.equal(broker.totals.publish_refused ?? 0, 0)
})

test('the schema of these tests refuses what Home Assistant does not document', () => {
  const ids = { unique_id: 'a', object_id: 'a', default_entity_id: 'sensor.a' }
  const component = { platform: 'sensor', ...ids, state_topic: 'a/b' }
  const message = (one: object) => ({
    device: { identifiers: ['a'] },
    origin: { name: 'a' },
    components: { a: { ...component, ...one } },
  })
  assert.ok(DeviceDiscovery.safeParse(message({})).success)
  for (const wrong of [
    { object_id: 'b' },
    { object_id: undefined },
    { device_class: 'occupancy' },
    { device_class: 'battery', unit_of_measurement: 'V' },
    { device_class: 'timestamp', state_class: 'measurement' },
    { entity_category: 'config' },
    { state_topic: 'a/#' },
    { availability: [{ topic: 'a', payload: 'online' }] },
    { unique_id: undefined },
  ]) {
    assert.equal(DeviceDiscovery.safeParse(message(wrong)).success, false, JSON.stringify(wrong))
  }
})

test('the user ha reads all that the message names, uses its controls, and may forget the robot', async (t) => {
  const controls = [...CONTROLS]
  const { broker, passwordOf } = await startUsersBroker(t, { homeassistant: { enabled: true, controls } })
  const bus = await startThere(t, broker.port, passwordOf('homeassistant'), { controls }, true)
  const login = { username: 'ha', password: passwordOf('ha') }
  const url = `mqtt://127.0.0.1:${broker.port}`
  // as Home Assistant asks
  const found = await retained(url, login, ['homeassistant/+/+/config', 'homeassistant/+/+/+/config'], TOPIC)
  const { components } = DeviceDiscovery.parse(JSON.parse(found.get(TOPIC) ?? ''))
  const client = await mqtt.connectAsync(url, login)
  t.after(() => client.endAsync(true))
  const named = Object.values(components).flatMap((one) => [
    ...('topic' in one ? [one.topic] : 'state_topic' in one && one.state_topic ? [one.state_topic] : []),
    ...('latest_version_topic' in one && one.latest_version_topic ? [one.latest_version_topic] : []),
    ...(one.availability ?? []).map(({ topic }) => topic),
  ])
  const used = Object.values(components).flatMap((one) =>
    'command_topic' in one && one.command_topic ? [one.command_topic] : [],
  )
  assert.equal(used.length, controls.length)
  for (const topic of used) await client.publishAsync(topic, 'nothing', { qos: 1 })
  for (const topic of new Set(named)) {
    const [granted] = await client.subscribeAsync(topic, { qos: 1 })
    assert.equal(granted?.qos, 1, topic)
  }
  await assert.rejects(client.subscribeAsync('wimz/video/+'))
  await client.publishAsync(TOPIC, '', { qos: 1, retain: true })
  await client.publishAsync('homeassistant/status', 'online', { qos: 1 })
  assert.equal(broker.totals.publish_refused ?? 0, 0)
  assert.ok(bus.connected)
})

test('on Mosquitto a client of MQTT 5 finds the device and the states', {
  skip: without('mosquitto'),
}, async (t) => {
  const folder = temporaryFolder(t)
  const [port = 0] = await freePorts(1)
  const mosquitto = await startMosquitto(folder, port, documentedConf(folder, port, 'tester'))
  t.after(() => mosquitto[Symbol.asyncDispose]())
  await startThere(t, port, ensurePassword(folder, 'homeassistant'))
  // a broker that has just restarted gets the messages one after the other
  const read = async () => {
    const login = { username: 'ha', password: ensurePassword(folder, 'ha'), protocolVersion: 5 as const }
    const client = await mqtt.connectAsync({ host: '127.0.0.1', port, ...login })
    const found = new Map<string, string>()
    const done = Promise.withResolvers<void>()
    const timer = setTimeout(() => done.reject(new Error(`only ${[...found.keys()]}`)), 20_000)
    client.on('message', (topic, payload) => {
      found.set(topic, payload.toString())
      if (found.size === 3) done.resolve()
    })
    const filters = [TOPIC, 'wimz/homeassistant/state', `wimz/${topics.dog.name()}`]
    await client.subscribeAsync(filters, { qos: 1 })
    await done.promise.finally(() => clearTimeout(timer))
    await client.endAsync()
    return found
  }
  const found = await read()
  DeviceDiscovery.parse(JSON.parse(found.get(TOPIC) ?? ''))
  assert.equal(JSON.parse(found.get('wimz/homeassistant/state') ?? '').state, 'online')
  assert.deepEqual(JSON.parse(found.get('wimz/homeassistant/dog') ?? ''), { present: null, last_seen: null })
  // a broker that has forgotten everything is told again
  await mosquitto.restart()
  assert.deepEqual((await read()).get(TOPIC), found.get(TOPIC))
})

test('homeassistant.discovery_prefix is levels of a topic', () => {
  const parses = (discovery_prefix: string) => HomeAssistantSection.safeParse({ discovery_prefix }).success
  assert.ok(['ha', 'house/ha'].every(parses))
  assert.ok(!['', '/ha', 'ha/', 'a//b', 'ha/#', '+', '$SYS', 'a{b}'].some(parses))
})
