import assert from 'node:assert/strict'
import { test } from 'node:test'
import { topics } from '#bus/topics.ts'
import { createDetectionEvents } from '#services/vision/track/detection-events.ts'
import { collect } from '#test/helpers/collect.ts'
import { memoryBus } from '#test/helpers/memory-bus.ts'

const seen = (label: string, score: number) => ({
  label,
  score,
  box: [0.1, 0.2, 0.3, 0.4] as [number, number, number, number],
  track_id: null,
})

const NOBODY = { dogOf: () => undefined }

test('apps receive each label at most every 5 s, with its best detection (I20)', async (t) => {
  const memory = await memoryBus(t)
  const bus = await memory.connect('vision')
  const events = await collect(bus, topics.event, { name: 'detection' })
  let clock = 0
  const tell = createDetectionEvents(bus, NOBODY, () => clock)
  for (; clock <= 9_000; clock += 200) tell([seen('dog', 0.6), seen('dog', 0.9), seen('cat', 0.7)])
  clock = 10_000
  tell([seen('dog', 0.8)])
  await events.next({ where: ({ confidence }) => confidence === 0.8 })
  const told = events.all.map(({ payload: { label, confidence, detected } }) => [label, confidence, detected])
  assert.deepEqual(told, [
    ['dog', 0.9, true],
    ['cat', 0.7, true],
    ['dog', 0.9, true],
    ['cat', 0.7, true],
    ['dog', 0.8, true],
  ])
})

test('the event has the name of an only dog', async (t) => {
  const memory = await memoryBus(t)
  const bus = await memory.connect('vision')
  const events = await collect(bus, topics.event, { name: 'detection' })
  const dogOf = (label: string) => (label === 'dog' ? { dog_id: 'd1', name: 'Rex' } : undefined)
  createDetectionEvents(bus, { dogOf })([seen('dog', 0.9), seen('cat', 0.8)])
  const { payload } = await events.next({ where: ({ label }) => label === 'dog' })
  assert.deepEqual([payload.dog_id, payload.dog_name], ['d1', 'Rex'])
  const { payload: cat } = await events.next({ where: ({ label }) => label === 'cat' })
  assert.ok(!('dog_id' in cat))
})
