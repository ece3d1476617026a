import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import mqtt from 'mqtt'
import { createLogger } from '#lib/logger.ts'
import { startOpenBroker } from '#test/helpers/broker.ts'
import { until } from '#test/helpers/until.ts'

const TOPICS = Array.from({ length: 40 }, (_, i) => `wimz/telemetry/t${i}`)
const ROUNDS = 25

test('who subscribes while retained messages are said anew is left with the new ones', {
  timeout: 60_000,
}, async (t) => {
  const broker = await startOpenBroker(createLogger('broker', { write() {} }), { port: 0 })
  t.after(() => broker[Symbol.asyncDispose]())
  const url = `mqtt://127.0.0.1:${broker.port}`
  const speaker = await mqtt.connectAsync(url)
  t.after(() => speaker.endAsync())
  const say = (text: string) =>
    Promise.all(TOPICS.map((topic) => speaker.publishAsync(topic, text, { qos: 1, retain: true })))
  for (let round = 0; round < ROUNDS; round++) {
    await say(`old ${round}`)
    const listener = await mqtt.connectAsync(url)
    t.after(() => listener.end(true))
    const last = new Map<string, string>()
    listener.on('message', (topic, payload) => last.set(topic, String(payload)))
    const subscribed = listener.subscribeAsync('wimz/telemetry/+', { qos: 1 })
    await sleep(round % 3)
    await Promise.all([subscribed, say(`new ${round}`)])
    await speaker.publishAsync('wimz/telemetry/end', 'now', { qos: 1 })
    await until(() => last.has('wimz/telemetry/end'), { every: 1, show: () => last })
    // what is late has come, too
    await sleep(10)
    const stale = TOPICS.filter((topic) => last.get(topic) !== `new ${round}`)
    assert.deepEqual(stale, [], `round ${round}`)
    listener.end(true)
  }
})

test('a retained message is heard although the next one follows at once, in the order in which they were sent', async (t) => {
  const broker = await startOpenBroker(createLogger('broker', { write() {} }), { port: 0 })
  t.after(() => broker[Symbol.asyncDispose]())
  const url = `mqtt://127.0.0.1:${broker.port}`
  const [speaker, listener] = await Promise.all([mqtt.connectAsync(url), mqtt.connectAsync(url)])
  t.after(() => [speaker, listener].map((client) => client.end(true)))
  const heard: string[] = []
  listener.on('message', (topic, payload) => void heard.push(`${topic.split('/').at(-1)} ${payload}`))
  await listener.subscribeAsync('wimz/telemetry/+', { qos: 1 })
  const sent: string[] = []
  for (let round = 0; round < ROUNDS; round++) {
    for (const [name, retain] of Object.entries({ battery: true, mode: true, button: false })) {
      speaker.publish(`wimz/telemetry/${name}`, String(round), { qos: 0, retain })
      sent.push(`${name} ${round}`)
    }
    await sleep(2)
  }
  await speaker.publishAsync('wimz/telemetry/end', '', { qos: 1 })
  await until(() => heard.at(-1) === 'end ', { show: () => heard.slice(-5) })
  assert.deepEqual(heard.slice(0, -1), sent)
})
