import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { type TestContext, test } from 'node:test'
import mqtt from 'mqtt'
import { parse } from 'yaml'
import { connectBus } from '#bus/bus.ts'
import { topics } from '#bus/topics.ts'
import { CONTROLS } from '#commands/controls.ts'
import { collect } from '#dev/harness/collect.ts'
import { wake } from '#dev/harness/until.ts'
import { createLogger } from '#lib/logger.ts'
import { reachableTopic } from '#services/home-assistant/checks.ts'
import { startSite } from '#test/broker/site.ts'
import { TESTER } from '#test/broker/users-broker.ts'
import { without } from '#test/helpers/tools.ts'
import { DeviceDiscovery } from './schema.ts'
import { detected, startService } from './start.ts'

const DEVICE = 'homeassistant/device/Wimz-robot_06/config'
const LOG = createLogger('test', { write: () => undefined })

/** The second user for a bridge in configs/broker.yaml: with Home Assistant. */
function siteUser(): object {
  const text = readFileSync('configs/broker.yaml', 'utf8')
  const [, comment] = Array.from(text.matchAll(/^ {2}# site:\n(?: {2}#.*\n)+/gm), ([found]) => found)
  const { publish, subscribe } = parse(comment?.replaceAll(/^ {2}# ?/gm, '') ?? '').site
  return { publish, subscribe }
}

/** The robot's broker, and the Mosquitto beside Home Assistant that takes what the documented bridge takes. */
async function house(t: TestContext) {
  const edit = (conf: string) => conf.replaceAll(/^#topic/gm, 'topic')
  const homeassistant = { enabled: true, controls: [...CONTROLS] }
  const { port, ...stage } = await startSite(t, siteUser(), edit, { homeassistant })
  return { ...stage, home: () => openHome(t, port) }
}

/** A client of MQTT 5 at the house's Mosquitto, as Home Assistant is one. */
async function openHome(t: TestContext, port: number) {
  const client = await mqtt.connectAsync({ host: '127.0.0.1', port, protocolVersion: 5 })
  t.after(() => client.endAsync(true))
  const newest = new Map<string, Buffer>()
  const wakers = new Set<() => void>()
  client.on('message', (topic, payload) => {
    newest.set(topic, payload)
    for (const wakeUp of wakers) wakeUp()
  })
  await client.subscribeAsync('#', { qos: 1 })
  const reads = async (topic: string, where: (payload: Buffer) => boolean = () => true) => {
    for (const end = performance.now() + 30_000; ; ) {
      const payload = newest.get(topic)
      if (payload && where(payload)) return payload
      assert.ok(performance.now() < end, `${topic} is ${payload}`)
      await wake(wakers, 1_000)
    }
  }
  return { client, newest, reads }
}

test('through the documented bridge Home Assistant finds the robot, its pictures, and that it cannot be reached', {
  skip: without('mosquitto', 'openssl'),
}, async (t) => {
  const { broker, connect, passwordOf, home } = await house(t)
  const first = await home()
  await first.reads('wimz/reachable', (payload) => String(payload) === '1')

  const join = async (service: string, username: string) => {
    const bus = await connectBus({
      ...{ url: `mqtt://127.0.0.1:${broker.port}`, username, password: passwordOf(username) },
      ...{ prefix: 'wimz', service, version: '0', log: LOG },
    })
    t.after(() => bus[Symbol.asyncDispose]())
    return bus
  }
  const vision = await join('vision', 'vision')
  const own = await join('homeassistant', 'homeassistant')
  const section = { reachable_topic: 'wimz/reachable' }
  const service = await startService(t, own, { log: LOG, section })
  t.after(() => service[Symbol.asyncDispose]())

  await t.test('device, dog and picture arrive', async () => {
    const { components } = DeviceDiscovery.parse(JSON.parse(String(await first.reads(DEVICE))))
    for (const { availability } of Object.values(components)) {
      const last = { topic: 'wimz/reachable', payload_available: '1', payload_not_available: '0' }
      assert.deepEqual(availability?.at(-1), last)
    }
    await vision.publish(topics.detections, detected(['dog']))
    await first.reads('wimz/homeassistant/dog', (payload) => JSON.parse(String(payload)).present === true)
    await vision.publish(topics.frame, Buffer.from([0xff, 0xd8, 0xff]))
    assert.deepEqual(await first.reads('wimz/vision/frame'), Buffer.from([0xff, 0xd8, 0xff]))
  })

  await t.test('what changed while the bridge stood is retained there, too', async () => {
    const late = await home()
    DeviceDiscovery.parse(JSON.parse(String(await late.reads(DEVICE))))
    const dog = await late.reads('wimz/homeassistant/dog')
    assert.equal(JSON.parse(String(dog)).present, true)
    assert.equal(JSON.parse(String(await late.reads('wimz/vision/state'))).state, 'online')
  })

  await t.test('the birth message reaches the robot, which says everything again', async () => {
    first.newest.delete(DEVICE)
    await first.client.publishAsync('homeassistant/status', 'online', { qos: 1 })
    await first.reads(DEVICE)
  })

  await t.test('a control that is used there becomes a command here', async () => {
    const commands = await collect(vision, topics.command, { name: 'take_photo' })
    await first.client.publishAsync('wimz/homeassistant/set/photo', 'PRESS')
    await commands.next({ within: 20_000 })
  })

  await t.test('the robot knows that the bridge publishes its reachable_topic', async () => {
    const value = Promise.withResolvers<string>()
    const reading = await own.subscribe(reachableTopic('wimz/reachable'), (payload) =>
      value.resolve(String(payload)),
    )
    assert.equal(await value.promise, '1')
    reading[Symbol.dispose]()
  })

  await t.test('a robot that is gone cannot be reached', async () => {
    const tester = await connect(TESTER)
    await tester.endAsync()
    await broker[Symbol.asyncDispose]()
    await first.reads('wimz/reachable', (payload) => String(payload) === '0')
    await (await home()).reads('wimz/reachable', (payload) => String(payload) === '0')
  })
})
