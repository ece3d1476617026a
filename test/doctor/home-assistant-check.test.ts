import assert from 'node:assert/strict'
import { test } from 'node:test'
import { connectBus } from '#bus/bus.ts'
import { reachableTopic } from '#services/home-assistant/checks.ts'
import { HomeAssistantSection } from '#services/home-assistant/config.ts'
import { startUsersBroker } from '#test/broker/users-broker.ts'
import { memoryBus } from '#test/helpers/memory-bus.ts'
import { checkHomeAssistant } from '../../doctor/home-assistant-check.ts'

const context = { services: new Map(), link: undefined, brokerDown: false, iceServers: [] }
const section = (more: object) => ({ homeassistant: HomeAssistantSection.parse({ enabled: true, ...more }) })

test('a reachable_topic without a publisher is reported, and a bridge that is not connected', async (t) => {
  const memory = await memoryBus(t)
  const check = async (more: object) => {
    await using bus = await memory.connect('doctor', { announce: false })
    const [result, ...others] = await checkHomeAssistant({ ...context, bus, config: section(more) })
    assert.equal(others.length, 0)
    return result && `${result.status}: ${result.message}`
  }
  const reachable_topic = 'wimz/reachable'
  assert.equal(await check({}), undefined)
  assert.equal(await check({ enabled: false, reachable_topic }), undefined)
  assert.equal(
    await check({ reachable_topic }),
    'warning: nothing publishes wimz/reachable: all entities are unavailable',
  )
  const bridge = await memory.connect('bridge', { announce: false })
  await bridge.publish(reachableTopic(reachable_topic), Buffer.from('1'))
  assert.equal(await check({ reachable_topic }), 'ok: a bridge is connected: wimz/reachable is 1')
  await bridge.publish(reachableTopic(reachable_topic), Buffer.from('0'))
  assert.equal(await check({ reachable_topic }), 'warning: no bridge is connected: wimz/reachable is 0')
})

test('a topic that the doctor may not read is named', async (t) => {
  const { broker, passwordOf } = await startUsersBroker(t)
  const log = { warn() {}, info() {}, debug() {} }
  await using bus = await connectBus({
    ...{ url: `mqtt://127.0.0.1:${broker.port}`, username: 'doctor', password: passwordOf('doctor') },
    ...{ prefix: 'wimz', service: 'doctor', version: '0', announce: false, log },
  })
  const [denied] = await checkHomeAssistant({
    ...context,
    bus,
    config: section({ reachable_topic: 'home/robot' }),
  })
  assert.equal(denied?.status, 'warning')
  assert.match(denied?.message ?? '', /^home\/robot: subscription to home\/robot denied/)
})
