import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Box, type Candidate, iou } from '#services/vision/detect/nms.ts'
import { associate } from '#services/vision/track/associate.ts'
import { Track } from '#services/vision/track/track.ts'
import { Tracker } from '#services/vision/track/tracker.ts'

const SCORES = { minScore: 0.5, minScores: {}, keepScore: 0.3 }
const seen = (label: string, score: number, box: Box): Candidate => ({ label, score, box })
const BOX: Box = [0.4, 0.4, 0.2, 0.2]

/** Whether a track of this label at BOX, seen `ago` ms ago, takes this candidate. */
function takes(label: string, candidate: Candidate, ago = 0): boolean {
  const track = new Track(1, seen(label, 0.9, BOX), 1_000, {})
  return associate([track], [candidate], 1_000 + ago).length === 1
}

/** BOX moved to the right until it overlaps with BOX by this IoU. */
const withIou = (iou: number): Box => [0.4 + 0.2 * (1 - (2 * iou) / (1 + iou)), 0.4, 0.2, 0.2]

test('without overlap a candidate within 0.6 body lengths continues a track, 0.6 more each second, 1.8 at most', () => {
  const away = (lengths: number) => seen('dog', 0.9, [0.4, 0.4 - 0.2 * lengths, 0.2, 0.2])
  // at 0.86 of a length the IoU is under 0.15
  assert.equal(takes('dog', away(0.86), 0), false)
  assert.equal(takes('dog', away(0.86), 500), true)
  assert.equal(takes('dog', away(1.15), 900), false)
  assert.equal(takes('dog', away(1.15), 1_000), true)
  assert.equal(takes('dog', away(1.78), 60_000), true)
  assert.equal(takes('dog', away(1.82), 60_000), false)
})

test('without overlap a candidate of less than 40 % of the area does not continue a track', () => {
  const small = (share: number) => {
    const side = 0.2 * Math.sqrt(share)
    return seen('dog', 0.9, [0.61, 0.5 - side / 2, side, side])
  }
  assert.equal(takes('dog', small(0.45), 1_000), true)
  assert.equal(takes('dog', small(0.35), 1_000), false)
})

test('another label needs an overlap of 0.3 among animals, 0.7 otherwise', () => {
  assert.equal(takes('dog', seen('cat', 0.9, withIou(0.31))), true)
  assert.equal(takes('dog', seen('cat', 0.9, withIou(0.29))), false)
  assert.equal(takes('dog', seen('teddy bear', 0.9, withIou(0.31))), true)
  assert.equal(takes('dog', seen('chair', 0.9, withIou(0.69))), false)
  assert.equal(takes('dog', seen('chair', 0.9, withIou(0.71))), true)
  assert.equal(takes('sofa', seen('dog', 0.9, withIou(0.5))), false)
})

test('the same label is preferred to another one that fits 0.35 better', () => {
  const track = new Track(1, seen('dog', 0.9, BOX), 0, {})
  const dog = seen('dog', 0.9, withIou(0.5))
  const labelOf = (cat: Candidate) => associate([track], [cat, dog], 0)[0]?.candidate.label
  assert.equal(labelOf(seen('cat', 0.9, withIou(0.84))), 'dog')
  assert.equal(labelOf(seen('cat', 0.9, withIou(0.86))), 'cat')
})

test('each track takes one candidate and each candidate one track, the best pair first', () => {
  const near = new Track(1, seen('dog', 0.9, BOX), 0, {})
  const far = new Track(2, seen('dog', 0.9, withIou(0.5)), 0, {})
  const pairs = associate([far, near], [seen('dog', 0.9, BOX), seen('dog', 0.9, withIou(0.5))], 0)
  assert.deepEqual(pairs.map(({ track, candidate }) => [track.id, candidate.box]).toSorted(), [
    [1, BOX],
    [2, withIou(0.5)],
  ])
  assert.equal(associate([near, far], [seen('dog', 0.9, BOX)], 0).length, 1)
})

/** A tracker that saw a dog at BOX every `interval` ms, last at 0. */
function watched(interval: number, label = 'dog') {
  const tracker = new Tracker(SCORES)
  for (let at = -20 * interval; at <= 0; at += interval) tracker.update([seen(label, 0.9, BOX)], at)
  return tracker
}

test('a confirmed track ends 2 s and two intervals of the detector after its last detection', () => {
  for (const interval of [100, 200]) {
    const tracker = watched(interval)
    // the interval is an average that has come near
    assert.equal(tracker.expire(1_999 + 2 * interval).length, 0)
    assert.equal(tracker.expire(2_002 + 2 * interval).length, 1)
  }
  // of a slow detector no more than a second counts
  const slow = watched(5_000)
  assert.equal(slow.expire(3_990).length, 0)
  assert.equal(slow.expire(4_001).length, 1)
})

test('a track of one weak detection ends after two intervals', () => {
  const tracker = new Tracker(SCORES)
  tracker.update([seen('dog', 0.6, BOX)], 0)
  assert.equal(tracker.expire(400).length, 0)
  assert.equal(tracker.expire(401).length, 1)
})

test('one missed inference is bridged at up to 300 ms between inferences, and not beyond', () => {
  const shownAfterMiss = (interval: number) => {
    const tracker = watched(interval)
    tracker.update([], interval)
    return tracker.boxesAt(interval + 1).length
  }
  assert.equal(shownAfterMiss(295), 1)
  assert.equal(shownAfterMiss(320), 0)
})

test('a track is confirmed by one detection of 0.7 or by two', () => {
  const confirmed = (...scores: number[]) => {
    const [first = 0, ...more] = scores
    const track = new Track(1, seen('dog', first, BOX), 0, {})
    for (const score of more) track.update(seen('dog', score, BOX), 100)
    return track.confirmed
  }
  assert.equal(confirmed(0.7), true)
  assert.equal(confirmed(0.69), false)
  assert.equal(confirmed(0.5, 0.5), true)
})

test('stationary: within 0.12 body lengths for 3 s', () => {
  const track = new Track(1, seen('dog', 0.9, BOX), 0, {})
  track.update(seen('dog', 0.9, [0.4 + 0.2 * 0.11, 0.4, 0.2, 0.2]), 1_000)
  assert.equal(track.stationary(2_999), false)
  assert.equal(track.stationary(3_000), true)
  track.update(seen('dog', 0.9, [0.4 + 0.2 * 0.13, 0.4, 0.2, 0.2]), 3_100)
  assert.equal(track.stationary(6_099), false)
  assert.equal(track.stationary(6_100), true)
})

test('no more than 32 tracks; a candidate under the lower score continues none', () => {
  const tracker = new Tracker(SCORES)
  const grid = Array.from({ length: 40 }, (_, i) =>
    seen('dog', 0.9, [(i % 8) / 8, Math.floor(i / 8) / 5, 0.05, 0.05]),
  )
  tracker.update(grid, 0)
  assert.equal(tracker.tracks.length, 32)
  const one = watched(200)
  one.update([seen('dog', 0.29, BOX)], 200)
  assert.equal(one.tracks[0]?.missed, 1)
  one.update([seen('dog', 0.3, BOX)], 400)
  assert.equal(one.tracks[0]?.missed, 0)
})

test('a part: 85 % of it lies inside a larger box of the same label', () => {
  const started = (share: number, label = 'dog') => {
    const tracker = new Tracker(SCORES)
    const outer = seen('dog', 0.9, [0.2, 0.2, 0.4, 0.4])
    const inner = seen(label, 0.9, [0.6 - 0.1 * share, 0.3, 0.1, 0.1])
    tracker.update([outer, inner], 0)
    return tracker.tracks.length
  }
  assert.equal(started(0.86), 1)
  assert.equal(started(0.84), 2)
  assert.equal(started(0.99, 'cat'), 2)
})

/** A dog that has moved to the right by a quarter of its width in each 100 ms. */
function moving(label = 'dog'): Track {
  const track = new Track(1, seen(label, 0.9, [0.2, 0.4, 0.2, 0.2]), 0, {})
  for (let i = 1; i <= 4; i++) track.update(seen(label, 0.9, [0.2 + i * 0.05, 0.4, 0.2, 0.2]), i * 100)
  return track
}

test('an object may stop where it was last seen, or go on as predicted', () => {
  const track = moving()
  const expected = track.motion.visible(800)
  assert.ok(iou(expected, track.box) < 0.3, 'the prediction is elsewhere')
  for (const box of [track.box, expected])
    assert.equal(associate([track], [seen('cat', 0.9, box)], 800).length, 1)
  const beside = (box: Box, by: number): Box => [box[0] + by, box[1], box[2], box[3]]
  for (const box of [beside(track.box, -0.18), beside(expected, 0.18)])
    assert.equal(associate([track], [seen('dog', 0.9, box)], 1_000).length, 1)
})

test('without overlap the nearer candidate continues the track', () => {
  const track = new Track(1, seen('dog', 0.9, BOX), 0, {})
  const away = (lengths: number) => seen('dog', 0.9, [0.4, 0.4 - 0.2 * lengths, 0.2, 0.2])
  for (const candidates of [
    [away(0.9), away(1.3)],
    [away(1.3), away(0.9)],
  ])
    assert.deepEqual(associate([track], candidates, 2_000)[0]?.candidate.box, away(0.9).box)
})

test('a box is shown for two intervals without an inference, and one more where one may be missed', () => {
  const shown = (interval: number, at: number) => watched(interval).boxesAt(at).length
  assert.deepEqual([shown(200, 599), shown(200, 601)], [1, 0])
  assert.deepEqual([shown(400, 799), shown(400, 803)], [1, 0])
})

test('32 tracks include those that were there before', () => {
  const tracker = new Tracker(SCORES)
  const row = (y: number) => Array.from({ length: 20 }, (_, i) => seen('dog', 0.9, [i / 20, y, 0.03, 0.03]))
  tracker.update(row(0.2), 0)
  tracker.update([...row(0.2), ...row(0.8)], 100)
  assert.equal(tracker.tracks.length, 32)
})

test('a box with a side below 1.5 % of the image is not shown', () => {
  for (const [width, height, expected] of [
    [0.016, 0.2, 1],
    [0.014, 0.2, 0],
    [0.2, 0.016, 1],
    [0.2, 0.014, 0],
  ] as const) {
    const tracker = new Tracker(SCORES)
    tracker.update([seen('dog', 0.9, [0.5, 0.5, width, height])], 0)
    assert.equal(tracker.boxesAt(1).length, expected, `${width} x ${height}`)
  }
})
