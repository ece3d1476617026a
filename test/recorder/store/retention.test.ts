import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Clip } from '#services/recorder/clip.ts'
import { RecorderSection } from '#services/recorder/config.ts'
import { expired } from '#services/recorder/store/retention.ts'

const MiB = 1024 * 1024
const DAY = 86_400_000
const NOW = Date.UTC(2026, 10, 29)

const clip = (sequence: number, fields: Partial<Clip> = {}): Clip => ({
  ...{ id: `clip-${sequence}`, sequence, file: `clip-${sequence}.mp4`, startedAt: NOW - DAY + sequence },
  ...{ durationMs: 10_000, bytes: MiB, width: 1280, height: 720, hasAudio: false, complete: true, gaps: [] },
  reasons: [{ kind: 'event', event: 'bark', at: NOW }],
  ...fields,
})
const continuous = (sequence: number, fields: Partial<Clip> = {}) =>
  clip(sequence, { reasons: [{ kind: 'continuous', at: NOW }], ...fields })

const rules = RecorderSection.parse({
  retention: { days: 10, max_mb: 5 },
  continuous: { days: 2, max_mb: 3 },
})
const deleted = (clips: Clip[], needed = 0) =>
  expired(clips, rules, { now: NOW, needed }).map(({ sequence }) => sequence)

test('nothing is deleted within the limits', () => {
  assert.deepEqual(deleted([1, 2, 3, 4, 5].map((n) => clip(n))), [])
})

test('the oldest are deleted first, by the order of recording whatever the clock said', () => {
  const clips = [clip(3), clip(1), clip(2), ...[4, 5, 6, 7].map((n) => clip(n))]
  assert.deepEqual(deleted(clips), [1, 2])
  // a robot without a clock starts in 1970: its newest clip is not the oldest
  assert.deepEqual(deleted([...clips.slice(0, 6), clip(7, { startedAt: 5_000 })]), [1, 2])
})

test('a clip of a time before the clock was set has no age', () => {
  assert.deepEqual(deleted([clip(1, { startedAt: 5_000 }), clip(2, { startedAt: NOW - 11 * DAY })]), [2])
})

test('the continuous recording has limits of its own', () => {
  const old = { startedAt: NOW - 3 * DAY }
  assert.deepEqual(deleted([clip(1, old), continuous(2, old), continuous(3)]), [2])
  assert.deepEqual(deleted([clip(1), clip(2), ...[3, 4, 5, 6].map((n) => continuous(n))]), [3])
  // a continuous file with a reason of its own is an event
  const both = clip(7, { ...old, reasons: [...continuous(7).reasons, ...clip(7).reasons] })
  assert.deepEqual(deleted([both]), [])
})

test('favorites stay, and what is being recorded', () => {
  const clips = [1, 2, 3, 4, 5, 6, 7].map((n) => clip(n, n === 1 ? { favorite: true } : {}))
  assert.deepEqual(deleted(clips), [2, 3])
  assert.deepEqual(deleted([clip(1, { complete: false, startedAt: NOW - 90 * DAY })]), [])
  assert.deepEqual(deleted([clip(1, { favorite: true, startedAt: NOW - 90 * DAY })], 1e12), [])
})

test('a full disk costs the oldest of all kinds', () => {
  const clips = [continuous(1), clip(2), continuous(3), clip(4, { favorite: true }), clip(5)]
  assert.deepEqual(deleted(clips, 1.5 * MiB), [1, 2])
  assert.deepEqual(deleted(clips, 1e12), [1, 2, 3, 5])
})
