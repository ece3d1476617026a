import assert from 'node:assert/strict'
import { test } from 'node:test'
import { topics } from '#bus/topics.ts'
import { collect } from '#dev/harness/collect.ts'
import { DetectorSection } from '#services/vision/config.ts'
import { CapturedFrame } from '#services/vision/frame/captured-frame.ts'
import { DetectionEvents } from '#services/vision/track/detection-events.ts'
import { DetectionTracking } from '#services/vision/track/detection-tracking.ts'
import { memoryBus } from '#test/helpers/memory-bus.ts'
import { plainFrame } from '../frames.ts'

const seen = (label: string, score: number) => ({
  label,
  score,
  box: [0.1, 0.2, 0.3, 0.4] as [number, number, number, number],
  track_id: null,
})

const NO_PROFILES = { dogOf: () => undefined }
const NO_PROFILES_SERVICE = { ...NO_PROFILES, start: () => Promise.resolve(), [Symbol.dispose]() {} }

test('apps receive each label at most every 5 s, with its best detection (I20)', async (t) => {
  const memory = await memoryBus(t)
  const bus = await memory.connect('vision')
  const events = await collect(bus, topics.event, { name: 'detection' })
  let clock = 0
  const publisher = new DetectionEvents(bus, NO_PROFILES, () => clock)
  for (; clock <= 9_000; clock += 200)
    publisher.detected([seen('dog', 0.6), seen('dog', 0.9), seen('cat', 0.7)])
  clock = 10_000
  publisher.detected([seen('dog', 0.8)])
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
  new DetectionEvents(bus, { dogOf }).detected([seen('dog', 0.9), seen('cat', 0.8)])
  const { payload } = await events.next({ where: ({ label }) => label === 'dog' })
  assert.deepEqual([payload.dog_id, payload.dog_name], ['d1', 'Rex'])
  const { payload: cat } = await events.next({ where: ({ label }) => label === 'cat' })
  assert.ok(!('dog_id' in cat))
})

test('apps learn that the last dog is lost, once, at most every 5 s, and not while another dog is there', async (t) => {
  const memory = await memoryBus(t)
  const bus = await memory.connect('vision')
  const events = await collect(bus, topics.event, { name: 'detection' })
  let clock = 0
  const publisher = new DetectionEvents(bus, NO_PROFILES, () => clock)
  publisher.detected([seen('dog', 0.9), seen('cat', 0.7)])
  clock = 1_000
  publisher.tracked(new Set(['cat'])) // too soon after the last event: later, unless the dog comes back
  clock = 3_000
  publisher.tracked(new Set(['dog', 'cat']))
  for (clock = 4_000; clock <= 9_000; clock += 500) publisher.tracked(new Set(['cat']))
  for (; clock <= 20_000; clock += 500) publisher.tracked(new Set())
  publisher.detected([seen('dog', 0.6)])
  await events.next({ where: ({ confidence }) => confidence === 0.6 })
  assert.deepEqual(
    events.all.map(({ payload: { label, detected } }) => [label, detected]),
    [
      ['dog', true],
      ['cat', true],
      ['dog', false],
      ['cat', false],
      ['dog', true],
    ],
  )
})

test('a dog whose track has ended in an empty room is reported as lost', async (t) => {
  const memory = await memoryBus(t)
  const bus = await memory.connect('vision')
  const events = await collect(bus, topics.event, { name: 'detection' })
  const settings = DetectorSection.parse({})
  const tracking = new DetectionTracking({ bus, zones: {}, settings, profiles: NO_PROFILES_SERVICE })
  t.after(() => tracking[Symbol.dispose]())
  tracking.start()
  using pixels = plainFrame({ width: 64, height: 64 }, [90, 90, 90])
  const captured = new CapturedFrame({ pixels }, { at: performance.now(), index: 0, live: true })
  tracking.update([{ label: 'dog', score: 0.9, box: [0.1, 0.2, 0.3, 0.4] }], captured, 10)
  await events.next({ where: ({ detected }) => detected === true })
  const { payload } = await events.next({ within: 20_000, where: ({ detected }) => detected === false })
  assert.equal(payload.label, 'dog')
})
