import assert from 'node:assert/strict'
import { test } from 'node:test'
import { connectBus } from '#bus/bus.ts'
import { topics } from '#bus/topics.ts'
import { collect } from '#dev/harness/collect.ts'
import { startMosquitto } from '#dev/harness/mosquitto.ts'
import { freePorts } from '#dev/harness/ports.ts'
import { until } from '#dev/harness/until.ts'
import { BusSection } from '#lib/config-schema.ts'
import { temporaryFolder } from '#test/helpers/folder.ts'
import { without } from '#test/helpers/tools.ts'
import { checkBus } from '../../doctor/bus-check.ts'

const skip = without('mosquitto')
const stopped = { broker: { enabled: false, host: '127.0.0.1' }, data_dir: '/nowhere' }

test('when one broker of a list dies, services continue at the next, with their state and retained messages', {
  skip,
}, async (t) => {
  const ports = await freePorts(2)
  const brokers = await Promise.all(
    ports.map((port) =>
      startMosquitto(temporaryFolder(t), port, `listener ${port} 127.0.0.1\nallow_anonymous true`),
    ),
  )
  for (const broker of brokers) t.after(() => broker[Symbol.asyncDispose]())
  const url = ports.map((port) => `mqtt://127.0.0.1:${port}`)
  const logged: { url?: string; message: string }[] = []
  const log = {
    warn: () => {},
    info: (fields: object, message: string) => void logged.push({ ...fields, message }),
    debug: () => {},
  }
  const open = async (service: string) => {
    const bus = await connectBus({ ...BusSection.parse({ url }), service, version: '1', log })
    t.after(() => bus[Symbol.asyncDispose]())
    return bus
  }
  const [bridge, vision] = [await open('relay-bridge'), await open('vision')]
  const events: unknown[] = []
  const durable = await bridge.subscribeDurably(topics.event, async ({ n }) => void events.push(n))
  t.after(() => durable[Symbol.asyncDispose]())
  await vision.publish(topics.event, { n: 1 }, { name: 'bark' })
  await until(() => events.length === 1)
  assert.deepEqual(new Set(logged.map((line) => line.url)), new Set([url[0]]))

  brokers[0]?.process.kill('SIGKILL')
  await until(() => logged.filter((line) => line.url === url[1]).length === 3, { show: () => logged })
  await vision.publish(topics.event, { n: 2 }, { name: 'bark' })
  await until(() => events.length === 2, { show: () => events })
  assert.deepEqual(events, [1, 2])
  const late = await open('webrtc')
  const states = await collect(late, topics.serviceState, { service: 'vision' })
  await states.next({ where: ({ state }) => state === 'online' })

  const { results, bus, brokerDown } = await checkBus(BusSection.parse({ url }), stopped as never)
  t.after(() => bus?.[Symbol.asyncDispose]())
  assert.deepEqual(
    results.map(({ status, message }) => [status, message.includes(`:${ports[0]}`)]),
    [
      ['failure', true],
      ['ok', false],
    ],
  )
  assert.ok(bus?.connected)
  assert.equal(brokerDown, false)
})
