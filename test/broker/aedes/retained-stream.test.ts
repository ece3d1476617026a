import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import mqtt from 'mqtt'
import { until } from '#dev/harness/until.ts'
import { createLogger } from '#lib/logger.ts'
import { startOpenBroker } from '#test/helpers/broker.ts'

const TOPICS = Array.from({ length: 40 }, (_, i) => `wimz/telemetry/t${i}`)
const ROUNDS = 25

test('a subscriber ends up with the newest retained messages, even if they change during its SUBSCRIBE', {
  timeout: 60_000,
}, async (t) => {
  const broker = await startOpenBroker(createLogger('broker', { write() {} }), { port: 0 })
  t.after(() => broker[Symbol.asyncDispose]())
  const url = `mqtt://127.0.0.1:${broker.port}`
  const publisher = await mqtt.connectAsync(url)
  t.after(() => publisher.endAsync())
  const publish = (text: string) =>
    Promise.all(TOPICS.map((topic) => publisher.publishAsync(topic, text, { qos: 1, retain: true })))
  for (let round = 0; round < ROUNDS; round++) {
    await publish(`old ${round}`)
    const subscriber = await mqtt.connectAsync(url)
    t.after(() => subscriber.end(true))
    const last = new Map<string, string>()
    subscriber.on('message', (topic, payload) => last.set(topic, String(payload)))
    const subscribed = subscriber.subscribeAsync('wimz/telemetry/+', { qos: 1 })
    await sleep(round % 3)
    await Promise.all([subscribed, publish(`new ${round}`)])
    await publisher.publishAsync('wimz/telemetry/end', 'now', { qos: 1 })
    await until(() => last.has('wimz/telemetry/end'), { every: 1, show: () => last })
    // late messages have arrived as well
    await sleep(10)
    const stale = TOPICS.filter((topic) => last.get(topic) !== `new ${round}`)
    assert.deepEqual(stale, [], `round ${round}`)
    subscriber.end(true)
  }
})

test('a retained message is delivered in order, even if the next message follows at once', async (t) => {
  const broker = await startOpenBroker(createLogger('broker', { write() {} }), { port: 0 })
  t.after(() => broker[Symbol.asyncDispose]())
  const url = `mqtt://127.0.0.1:${broker.port}`
  const [publisher, subscriber] = await Promise.all([mqtt.connectAsync(url), mqtt.connectAsync(url)])
  t.after(() => [publisher, subscriber].map((client) => client.end(true)))
  const received: string[] = []
  subscriber.on('message', (topic, payload) => void received.push(`${topic.split('/').at(-1)} ${payload}`))
  await subscriber.subscribeAsync('wimz/telemetry/+', { qos: 1 })
  const sent: string[] = []
  for (let round = 0; round < ROUNDS; round++) {
    for (const [name, retain] of Object.entries({ battery: true, mode: true, button: false })) {
      publisher.publish(`wimz/telemetry/${name}`, String(round), { qos: 0, retain })
      sent.push(`${name} ${round}`)
    }
    await sleep(2)
  }
  await publisher.publishAsync('wimz/telemetry/end', '', { qos: 1 })
  await until(() => received.at(-1) === 'end ', { show: () => received.slice(-5) })
  assert.deepEqual(received.slice(0, -1), sent)
})
