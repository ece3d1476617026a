import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import mqtt from 'mqtt'
import { ON_MOSQUITTO, startStack } from '#dev/harness/stack.ts'
import { closeAfter } from '#test/helpers/close-after.ts'

/** Retained, and republished each 2.5 s at the most often. */
const MAX_MESSAGES = 10
const WATCH_MS = 3_000

test('without viewers no service answers itself or another for ever', {
  skip: ON_MOSQUITTO && 'its bus has more than our topics',
  timeout: 120_000,
}, async (t) => {
  const stack = await startStack(
    {
      vision: { source: { type: 'synthetic' }, detector: { enabled: false }, snapshot_fps: 0 },
      audio: { source: { type: 'synthetic' } },
      webrtc: { audio: { enabled: true } },
      homeassistant: { enabled: true },
      simulator: { enabled: true },
    },
    { within: 90_000 },
  )
  closeAfter(t, () => stack[Symbol.asyncDispose]())
  const { url, username, password } = stack.login
  const client = await mqtt.connectAsync(url, { username, password, clientId: 'sniffer' })
  closeAfter(t, () => client.endAsync(true))
  const counts = new Map<string, number>()
  client.on('message', (topic) => counts.set(topic, (counts.get(topic) ?? 0) + 1))
  await client.subscribeAsync('#')
  await sleep(WATCH_MS)
  assert.ok(counts.size > 5, `${counts.size} topics`)
  assert.deepEqual(
    [...counts].filter(([, count]) => count > MAX_MESSAGES),
    [],
  )
})
