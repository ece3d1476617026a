import assert from 'node:assert/strict'
import { test } from 'node:test'
import mqtt from 'mqtt'
import { connectBus } from '#bus/bus.ts'
import { topics } from '#bus/topics.ts'
import { createLogger } from '#lib/logger.ts'
import { startOpenBroker } from '#test/helpers/broker.ts'

const SESSION = { protocolVersion: 5, clientId: 'lights', clean: false } as const
const command = (id: string, received_at: number) => ({
  id,
  name: 'treat',
  params: {},
  source: 'relay' as const,
  received_at,
})

test('a command that its service does not fetch in time dies in the broker', async (t) => {
  const log = createLogger('test', { write() {} })
  await using broker = await startOpenBroker(log)
  const url = `mqtt://127.0.0.1:${broker.port}`
  await using bus = await connectBus({ url, prefix: 'wimz', service: 'relay-bridge', version: '0.0.0', log })
  const properties = { sessionExpiryInterval: 3_600 }
  const before = await mqtt.connectAsync(url, { ...SESSION, properties })
  await before.subscribeAsync('wimz/command/+', { qos: 1 })
  await before.endAsync()
  t.mock.timers.enable({ apis: ['Date'], now: Date.now() })
  await bus.publish(topics.command, command('stale', Date.now()), { name: 'treat' })
  t.mock.timers.tick(6_000)
  await bus.publish(topics.command, command('fresh', Date.now()), { name: 'treat' })
  const after = mqtt.connect(url, { ...SESSION, properties })
  const payload = await new Promise<Buffer>((resolve) => {
    after.once('message', (_topic, payload) => resolve(payload))
  })
  await after.endAsync()
  assert.equal(JSON.parse(payload.toString()).id, 'fresh')
})
