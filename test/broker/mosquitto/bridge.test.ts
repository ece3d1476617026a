import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { type TestContext, test } from 'node:test'
import mqtt from 'mqtt'
import { until } from '#dev/harness/until.ts'
import { without } from '#test/helpers/tools.ts'
import { startSite } from '../site.ts'
import { TESTER } from '../users-broker.ts'

const skip = without('mosquitto', 'openssl')

/** The user in the comment of configs/broker.yaml. */
function documentedUser() {
  const [, filters = ''] =
    /^ {2}# site:\n.*\n {2}# {3}subscribe: \[(.*)\]$/m.exec(readFileSync('configs/broker.yaml', 'utf8')) ?? []
  return { subscribe: filters.split(', ') }
}

/** The Mosquitto of the site, and what a client there receives. */
async function site(t: TestContext) {
  const { port, ...stage } = await startSite(t, documentedUser())
  const client = await mqtt.connectAsync({ host: '127.0.0.1', port })
  t.after(() => client.endAsync(true))
  const received = new Map<string, string>()
  client.on('message', (topic, payload) => received.set(topic, String(payload)))
  await client.subscribeAsync('wimz/#', { qos: 1 })
  return { ...stage, received }
}

test('the Mosquitto of a site receives states, events and telemetry, no video and no commands, and sends nothing', {
  skip,
}, async (t) => {
  const { broker, connect, received, mosquitto } = await site(t)
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

test('events published while the site is offline arrive when it reconnects', { skip }, async (t) => {
  const { connect, received, mosquitto } = await site(t)
  const robot = await connect(TESTER)
  await robot.publishAsync('wimz/vision/state', '{}', { qos: 1, retain: true })
  await until(() => received.has('wimz/vision/state'), { deadline: 20_000, show: () => mosquitto.log })
  mosquitto.process.kill('SIGKILL')
  await new Promise((resolve) => mosquitto.process.once('exit', resolve))
  for (const n of [1, 2, 3]) await robot.publishAsync(`wimz/event/bark${n}`, `${n}`, { qos: 1 })
  mosquitto.log = ''
  await mosquitto.restart()
  // its own clients come back later than the bridge: the log tells what has arrived
  const arrived = (n: number) => mosquitto.log.includes(`'wimz/event/bark${n}'`)
  await until(() => [1, 2, 3].every(arrived), { deadline: 20_000, show: () => mosquitto.log })
})
