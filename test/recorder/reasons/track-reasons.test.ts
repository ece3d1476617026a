import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TrackEvent } from '#bus/messages.ts'
import { TrackReasons } from '#services/recorder/reasons/track-reasons.ts'

type Track = TrackEvent['after']

function trackOf(fields: Partial<Track>): Track {
  const now = Date.now()
  return {
    ...{ id: 'track-1', track_id: 1, label: 'dog', score: 0.9, top_score: 0.9, box: [0, 0, 0.1, 0.1] },
    ...{ zones: [], entered_zones: [], dwelling: [], stationary: false },
    ...{ frame_time: now, start_time: now, end_time: null },
    ...fields,
  }
}

function watched() {
  const log: string[] = []
  const recordings = {
    hold: (key: string, reason: { kind: string }) => log.push(`hold ${key} ${reason.kind}`),
    release: (key: string) => log.push(`release ${key}`),
  }
  const keep = {
    labels: { dog: { pre: 5, post: 10 } },
    zones: { sofa: { pre: 1, post: 2 } },
  }
  const reasons = new TrackReasons(keep, recordings as never)
  const send = (type: TrackEvent['type'], fields: Partial<Track> = {}) => {
    reasons.ingest({ type, before: null, after: trackOf(fields) })
    return log.splice(0)
  }
  return { reasons, send, log }
}

test('an object of a label is a reason while it is there and moves', () => {
  const { send } = watched()
  assert.deepEqual(send('new'), ['hold track-1 label label'])
  assert.deepEqual(send('update'), [])
  assert.deepEqual(send('update', { stationary: true }), ['release track-1 label'])
  assert.deepEqual(send('update', { stationary: false }), ['hold track-1 label label'])
  assert.deepEqual(send('end', { end_time: Date.now() }), ['release track-1 label'])
  assert.deepEqual(send('end', { end_time: Date.now() }), [])
})

test('a zone is a reason while an object is in it', () => {
  const { send } = watched()
  assert.deepEqual(send('new', { label: 'cat' }), [])
  assert.deepEqual(send('update', { label: 'cat', zones: ['sofa', 'door'] }), ['hold track-1 zone sofa zone'])
  assert.deepEqual(send('update', { label: 'cat', zones: ['door'] }), ['release track-1 zone sofa'])
})

test('labels are not names that every object has', () => {
  const { send } = watched()
  assert.deepEqual(send('new', { label: 'constructor', zones: ['__proto__', 'toString'] }), [])
})

test('when vision ends, nothing is held', () => {
  const { reasons, send, log } = watched()
  send('new')
  send('new', { id: 'track-2', zones: ['sofa'] })
  reasons.releaseAll()
  assert.deepEqual(log.splice(0).sort(), [
    'release track-1 label',
    'release track-2 label',
    'release track-2 zone sofa',
  ])
  assert.deepEqual(send('end'), [])
})

test('the number of objects is bounded', () => {
  const { send } = watched()
  const held = Array.from({ length: 500 }, (_, n) => send('new', { id: `track-${n}` }))
  assert.equal(held.flat().length, 100)
})
