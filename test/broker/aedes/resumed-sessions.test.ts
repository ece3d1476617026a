import assert from 'node:assert/strict'
import { test } from 'node:test'
import { topics } from '#bus/topics.ts'
import { until } from '#dev/harness/until.ts'
import { memoryBus } from '#test/helpers/memory-bus.ts'

test('queued messages are delivered before new ones, each once [MQTT-4.6.0-6]', async (t) => {
  const memory = await memoryBus(t)
  const robot = await memory.connect('robot', { announce: false })
  const keeper = await memory.connect('keeper', { announce: false })
  const kept: number[] = []
  const keep = async ({ n }: Record<string, unknown>) => void kept.push(Number(n))
  let n = 0
  const publish = async (count: number) => {
    for (const end = n + count; n < end; n++) await robot.publish(topics.event, { n }, { name: 'bark' })
  }
  const first = await keeper.subscribeDurably(topics.event, keep)
  await first[Symbol.asyncDispose]()
  for (let round = 0; round < 5; round++) {
    await publish(200)
    const opening = keeper.subscribeDurably(topics.event, keep)
    await publish(200)
    const inbox = await opening
    await until(() => kept.length >= n, { show: () => ({ n, kept: kept.length, last: kept.at(-1) }) })
    await inbox[Symbol.asyncDispose]()
  }
  assert.deepEqual(
    kept,
    Array.from({ length: n }, (_, i) => i),
  )
})

test('a message that the handler rejects is not acknowledged, and delivered again', async (t) => {
  const memory = await memoryBus(t)
  const robot = await memory.connect('robot', { announce: false })
  const keeper = await memory.connect('keeper', { announce: false })
  const first = await keeper.subscribeDurably(topics.event, () =>
    Promise.reject(new Error('the disk is full')),
  )
  await robot.publish(topics.event, { n: 1 }, { name: 'bark' })
  await until(
    () => memory.logged.some(({ msg }) => msg === 'message not stored; the broker delivers it again'),
    {
      show: () => memory.logged,
    },
  )
  await first[Symbol.asyncDispose]()
  const { promise, resolve } = Promise.withResolvers<unknown>()
  const second = await keeper.subscribeDurably(topics.event, async (payload) => resolve(payload))
  assert.deepEqual(await promise, { n: 1 })
  await second[Symbol.asyncDispose]()
})
