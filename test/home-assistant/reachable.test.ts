import assert from 'node:assert/strict'
import { test } from 'node:test'
import { staysTrue, until } from '#dev/harness/until.ts'
import { reachableTopic } from '#services/home-assistant/checks.ts'
import { watchReachable } from '#services/home-assistant/reachable.ts'
import { memoryBus } from '#test/helpers/memory-bus.ts'

const TOPIC = 'wimz/reachable'
const LINE = 'homeassistant.reachable_topic: entities may stay unavailable'

test('a reachable_topic that nothing publishes is logged once, one that a bridge publishes is not', async (t) => {
  const memory = await memoryBus(t)
  const own = await memory.connect('homeassistant')
  const lines = () => memory.logged.filter(({ msg }) => msg === LINE)
  memory.use(watchReachable(own, TOPIC, memory.log, 50))
  await until(() => lines().length > 0, { show: () => memory.logged })
  const [line] = lines()
  assert.deepEqual([line?.topic, line?.reason], [TOPIC, 'no bridge has published it'])

  const bridge = await memory.connect('bridge', { announce: false })
  await bridge.publish(reachableTopic(TOPIC), Buffer.from('1'))
  const watch = watchReachable(own, TOPIC, memory.log, 3_000)
  const seen = Promise.withResolvers<void>()
  await own.subscribe(reachableTopic(TOPIC), () => seen.resolve())
  await seen.promise
  await staysTrue(() => lines().length === 1, 3_200)
  watch[Symbol.dispose]()
})
