import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { TrackEvent } from '#bus/messages.ts'
import { topics } from '#bus/topics.ts'
import { collect } from '#dev/harness/collect.ts'
import { memoryBus } from '#test/helpers/memory-bus.ts'
import { detected, startService } from './start.ts'

const within = 20_000

async function robot(t: TestContext, section: object = {}) {
  const memory = await memoryBus(t)
  const vision = await memory.connect('vision')
  const events = await collect(await memory.connect('observer', { announce: false }), topics.happening)
  const own = await memory.connect('homeassistant')
  memory.use(await startService(t, own, { log: memory.log, section }))
  return { memory, vision, events }
}

function track(
  type: TrackEvent['type'],
  before: string[] | null,
  after: string[],
  label = 'dog',
): TrackEvent {
  const state = (zones: string[]) => ({
    ...{ id: 'a', track_id: 1, label, score: 0.9, top_score: 0.9, zones, entered_zones: zones, dwelling: [] },
    ...{ stationary: false, frame_time: 1, start_time: 1, end_time: type === 'end' ? 2 : null },
    box: [0, 0, 0.5, 0.5] as [number, number, number, number],
  })
  return { type, before: before && state(before), after: state(after) }
}

test('a dog that comes and goes is seen once and has left once, however often it is detected', async (t) => {
  const { vision, events } = await robot(t, { absent_after: 1 })
  await vision.publish(topics.detections, detected(['dog']))
  await vision.publish(topics.detections, detected(['dog']))
  const timer = setInterval(() => void vision.publish(topics.detections, detected([])), 100)
  t.after(() => clearInterval(timer))
  await events.next({ within, where: ({ event_type }) => event_type === 'left' })
  assert.deepEqual(
    events.all.map(({ params, payload }) => [params.name, payload]),
    [
      ['dog', { event_type: 'seen' }],
      ['dog', { event_type: 'left' }],
    ],
  )
})

test('a dog that stays while vision restarts has not come again', async (t) => {
  const { memory, vision, events } = await robot(t)
  const dog = await collect(await memory.connect('other', { announce: false }), topics.dog)
  await vision.publish(topics.detections, detected(['dog']))
  await events.next({ within })
  memory.cut('vision')
  await dog.next({ within, where: ({ present }) => present === null })
  await vision.publish(topics.event, {}, { name: 'bark' }) // connected again
  await vision.publish(topics.detections, detected(['dog']))
  await dog.next({ within, where: ({ present }) => present === true })
  assert.deepEqual(
    events.all.map(({ params }) => params.name).filter((name) => name === 'dog'),
    ['dog'],
  )
})

test('zones that a dog enters and leaves are events of their own; a track that ends has left all', async (t) => {
  const { vision, events } = await robot(t)
  await vision.publish(topics.track, track('new', null, ['sofa', 'rug']))
  await vision.publish(topics.track, track('update', null, ['street'], 'person'))
  await vision.publish(topics.track, track('update', ['sofa', 'rug'], ['rug', 'door']))
  await vision.publish(topics.track, track('end', ['rug', 'door'], ['rug', 'door']))
  await events.next({ within, where: ({ event_type, zone }) => event_type === 'left' && zone === 'door' })
  assert.deepEqual(
    events.all.map(({ payload }) => `${payload.event_type} ${payload.zone}`),
    ['entered sofa', 'entered rug', 'entered door', 'left sofa', 'left rug', 'left door'],
  )
})

test('a bark has the facts that are known, in bounds, by either name', async (t) => {
  const { vision, events } = await robot(t)
  const facts = {
    emotion: 'x'.repeat(1_000),
    confidence: 0.9,
    loudness_db: null,
    dog_name: 'Rex',
    audio: 'UklGR',
  }
  await vision.publish(topics.event, facts, { name: 'bark' })
  await vision.publish(topics.event, {}, { name: 'bark_detected' })
  await events.next({ within })
  await events.next({ within })
  assert.deepEqual(
    events.all.map(({ payload }) => payload),
    [
      { event_type: 'bark', emotion: 'x'.repeat(100), confidence: 0.9, dog_name: 'Rex' },
      { event_type: 'bark' },
    ],
  )
})

test('a flood of barks is thinned', async (t) => {
  const { vision, events } = await robot(t)
  for (let i = 0; i < 200; i++) await vision.publish(topics.event, {}, { name: 'bark' })
  const observer = await collect(vision, topics.event, { name: 'end' })
  await vision.publish(topics.event, {}, { name: 'end' })
  await observer.next({ within })
  assert.ok(events.all.length < 100, `${events.all.length}`)
  await vision.publish(topics.track, track('new', null, ['sofa']))
  await events.next({ within, where: ({ zone }) => zone === 'sofa' })
})
