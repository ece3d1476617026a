import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { type TestContext, test } from 'node:test'
import mqtt from 'mqtt'
import { parse } from 'yaml'
import { until } from '#dev/harness/until.ts'
import { without } from '#test/helpers/tools.ts'
import * as raw from '../protocol/raw-client.ts'
import { startSite } from '../site.ts'
import { TESTER } from '../users-broker.ts'

const skip = without('mosquitto', 'openssl')

/** The user in the comment of configs/broker.yaml. */
function documentedUser() {
  const [comment = ''] =
    /^ {2}# site:\n(?: {2}#.*\n)+/m.exec(readFileSync('configs/broker.yaml', 'utf8')) ?? []
  const { publish, subscribe } = parse(comment.replaceAll(/^ {2}# ?/gm, '')).site
  return { publish, subscribe }
}

/** The Mosquitto of the site, and what a client there receives. */
async function site(t: TestContext, version = 'mqttv311') {
  const edit = (conf: string) => conf.replace('mqttv311', version)
  const { port, ...stage } = await startSite(t, documentedUser(), edit)
  const client = await mqtt.connectAsync({ host: '127.0.0.1', port })
  t.after(() => client.endAsync(true))
  const received = new Map<string, string>()
  client.on('message', (topic, payload) => received.set(topic, String(payload)))
  await client.subscribeAsync('wimz/#', { qos: 1 })
  const { mosquitto } = stage
  const filters = readFileSync('configs/mosquitto-bridge.conf', 'utf8').match(/^topic /gm)?.length ?? 0
  const granted = () => mosquitto.log.match(/Received SUBACK from local/g)?.length ?? 0
  await until(() => granted() >= filters, { deadline: 20_000, show: () => mosquitto.log })
  return { ...stage, received }
}

for (const version of ['mqttv311', 'mqttv50']) {
  test(`the Mosquitto of a site receives states, events and telemetry, no video and no commands, and sends only whether it is connected: ${version}`, {
    skip,
  }, async (t) => {
    const { broker, connect, received, mosquitto } = await site(t, version)
    const robot = await connect(TESTER)
    const publish = (topic: string, text: string, retain = false) =>
      robot.publishAsync(`wimz/${topic}`, text, { qos: 1, retain })
    await publish('vision/state', '{"state":"online"}', true)
    await until(() => received.has('wimz/vision/state'), { deadline: 20_000, show: () => mosquitto.log })
    for (const topic of ['video/high', 'vision/frame', 'command/treat', 'signaling/offer', 'metrics/vision'])
      await publish(topic, 'no')
    for (const topic of [
      'event/bark',
      'telemetry/battery',
      'vision/detections',
      'vision/track',
      'webrtc/sessions',
      'relay-bridge/link',
    ])
      await publish(topic, 'yes')
    await until(() => received.get('wimz/relay-bridge/link') === 'yes', {
      deadline: 20_000,
      show: () => mosquitto.log,
    })
    assert.deepEqual(
      [...received.keys()].sort(),
      [
        'broker/state',
        'event/bark',
        'reachable',
        'relay-bridge/link',
        'telemetry/battery',
        'vision/detections',
        'vision/state',
        'vision/track',
        'webrtc/sessions',
      ].map((name) => `wimz/${name}`),
    )
    assert.equal(broker.totals.publish_refused ?? 0, 0)
    assert.equal(broker.totals.subscribe_refused ?? 0, 0)
  })
}

test('events published while the site is offline arrive when it reconnects', { skip }, async (t) => {
  const { connect, mosquitto } = await site(t)
  const robot = await connect(TESTER)
  mosquitto.process.kill('SIGKILL')
  await new Promise((resolve) => mosquitto.process.once('exit', resolve))
  for (const n of [1, 2, 3]) await robot.publishAsync(`wimz/event/bark${n}`, `${n}`, { qos: 1 })
  mosquitto.log = ''
  await mosquitto.restart()
  // its own clients come back later than the bridge: the log tells what has arrived
  const arrived = (n: number) => mosquitto.log.includes(`'wimz/event/bark${n}'`)
  await until(() => [1, 2, 3].every(arrived), { deadline: 20_000, show: () => mosquitto.log })
})

/** What would disconnect Mosquitto if it were delivered, or stored for its session. */
const HARMFUL = [
  Buffer.concat([raw.connect(), raw.publish('wimz/event/a\0b', '{}', { qos: 1 })]),
  Buffer.concat([raw.connect(), raw.publish('wimz/event/#', '{}', { qos: 1 })]),
  Buffer.concat([raw.connect(), raw.publish('wimz/event/+/b', '{}', { qos: 1 })]),
  Buffer.concat([raw.connect(), raw.publish('wimz/event/\x07', '{}', { qos: 1 })]),
  Buffer.concat([raw.connect(), raw.publish(Buffer.from('wimz/event/\xff\xfe', 'latin1'), '{}', { qos: 1 })]),
  raw.connect({ will: { topic: 'wimz/event/a\0b', payload: 'x', qos: 1 } }),
  raw.connect({ will: { topic: 'wimz/event/#', payload: 'x', qos: 1 } }),
  raw.connect({ will: { topic: 'wimz/event/will', payload: 'x', qos: 3 } }),
]

test('a bridge with a stored session survives NUL, wildcards and bad wills of another client, online and offline', {
  skip,
}, async (t) => {
  const { broker, connect, received, mosquitto } = await site(t)
  const robot = await connect(TESTER)
  const sendHarmful = async () => {
    for (const packets of HARMFUL) {
      const client = await raw.dial(t, broker.port)
      client.send(packets)
      while ((await client.next()) !== 'closed') {
        // the CONNACK, where the broker has sent it
      }
    }
  }
  mosquitto.log = ''
  await sendHarmful()
  await robot.publishAsync('wimz/event/online', '{}', { qos: 1 })
  await until(() => received.has('wimz/event/online'), { deadline: 20_000, show: () => mosquitto.log })
  assert.doesNotMatch(mosquitto.log, /malformed|protocol error|disconnected/i)
  mosquitto.process.kill('SIGKILL')
  await new Promise((resolve) => mosquitto.process.once('exit', resolve))
  await sendHarmful()
  await robot.publishAsync('wimz/event/offline', '{}', { qos: 1 })
  mosquitto.log = ''
  await mosquitto.restart()
  const arrived = (name: string) => mosquitto.log.includes(`'wimz/event/${name}'`)
  await until(() => arrived('offline'), { deadline: 20_000, show: () => mosquitto.log })
  await robot.publishAsync('wimz/event/after', '{}', { qos: 1 })
  await until(() => arrived('after'), { deadline: 20_000, show: () => mosquitto.log })
  assert.equal(broker.totals.packets_invalid, 2 * HARMFUL.length)
  assert.equal(mosquitto.log.match(/sending CONNECT/g)?.length, 1, mosquitto.log)
})
