import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TrackEvent } from '#bus/messages.ts'
import type { Box, Candidate } from '#services/vision/detect/nms.ts'
import { TrackEvents } from '#services/vision/track/track-events.ts'
import { Tracker } from '#services/vision/track/tracker.ts'

const EPOCH = 1_790_000_000_000
const ZONES = {
  sofa: {
    points: [
      [0.5, 0],
      [1, 0],
      [1, 1],
      [0.5, 1],
    ] as [number, number][],
    labels: [],
    dwell: 1,
  },
}
const boxAt = (x: number): Box => [x, 0.4, 0.25, 0.5]

/** A tracker with its events, and what they told. */
function follow(labels: readonly string[] = ['dog']) {
  const told: TrackEvent[] = []
  const tracker = new Tracker({ minScore: 0.5, minScores: {}, keepScore: 0.3 }, ZONES)
  const events = new TrackEvents({
    toEpoch: (at) => EPOCH + at,
    publish: (event) => told.push(TrackEvent.parse(event)),
  })
  events.labels = labels
  const see = (candidates: Candidate[], at: number) => {
    events.end(tracker.update(candidates, at).ended)
    events.update(tracker.tracks, at)
  }
  return { told, see, end: () => events.end(tracker.clear()) }
}

test('events are published when a dog appears, enters, dwells, rests and leaves', () => {
  const { told, see } = follow()
  let at = 0
  for (let x = 0.05; x < 0.5; x += 0.02, at += 200) see([{ label: 'dog', score: 0.8, box: boxAt(x) }], at)
  for (const until = at + 5_000; at < until; at += 200)
    see([{ label: 'dog', score: 0.9, box: boxAt(0.5) }], at)
  const last = at - 200
  for (const until = at + 4_000; at < until; at += 200) see([], at)

  assert.deepEqual([told[0]?.type, told.at(-1)?.type], ['new', 'end'])
  assert.equal(new Set(told.map(({ after }) => after.id)).size, 1)
  const [first] = told
  assert.deepEqual([first?.before, first?.after.end_time], [null, null])
  assert.equal(first?.after.start_time, EPOCH)
  for (const [i, { before }] of told.entries()) if (i > 0) assert.deepEqual(before, told[i - 1]?.after)
  const changes = told.map(({ after }) =>
    [after.zones.join(), after.dwelling.join(), after.stationary].join(' '),
  )
  assert.deepEqual([...new Set(changes)], ['  false', 'sofa  false', 'sofa sofa false', 'sofa sofa true'])
  const end = told.at(-1)?.after
  assert.deepEqual([end?.end_time, end?.top_score, end?.entered_zones], [EPOCH + last, 0.9, ['sofa']])
})

test('moves are published at most once a second', () => {
  const { told, see } = follow()
  for (let at = 0; at <= 3_000; at += 100) see([{ label: 'dog', score: 0.9, box: boxAt(at * 0.0001) }], at)
  const times = told.map(({ after }) => after.frame_time)
  const gaps = times.slice(1).map((time, i) => time - (times[i] ?? 0))
  assert.ok(told.length >= 3 && gaps.every((gap) => gap >= 1_000), `${gaps}`)
})

test('other labels and unconfirmed tracks are not published', () => {
  const { told, see, end } = follow()
  see([{ label: 'dog', score: 0.6, box: boxAt(0.7) }], 0)
  for (let at = 200; at < 3_000; at += 200) see([{ label: 'person', score: 0.9, box: boxAt(0.1) }], at)
  end()
  assert.deepEqual(told, [])
})

test('open tracks end when the service stops, and without labels all are published', () => {
  const { told, see, end } = follow([])
  see([{ label: 'person', score: 0.9, box: boxAt(0.1) }], 0)
  end()
  assert.deepEqual(
    told.map(({ type, after }) => [type, after.label]),
    [
      ['new', 'person'],
      ['end', 'person'],
    ],
  )
})
