import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type Box, type Candidate, iou } from '#services/vision/detect/nms.ts'
import { Tracker } from '#services/vision/track/tracker.ts'

const openTracker = () => new Tracker({ minScore: 0.5, minScores: {}, keepScore: 0.3 })
const seen = (label: string, score: number, box: Box): Candidate => ({ label, score, box })
/** A box of a quarter by a half of the picture, its left edge at `x`. */
const boxAt = (x: number): Box => [x, 0.4, 0.25, 0.5]
const only = <T>(list: readonly T[]): T => {
  assert.equal(list.length, 1)
  return list[0] as T
}

test('a dog that walks has one track, and its box is predicted to the time between two detections', () => {
  const tracker = openTracker()
  const x = (at: number) => 0.05 + at * 0.0002
  for (let at = 0; at <= 2_000; at += 200) tracker.update([seen('dog', 0.8, boxAt(x(at)))], at)
  const { track, box } = only(tracker.boxesAt(2_150))
  assert.equal(track.id, 1)
  assert.ok(iou(box, boxAt(x(2_150))) > 0.9, `${box}`)
})

test('a weak first detection is not shown, a second one is; a strong one is shown at once', () => {
  const tracker = openTracker()
  tracker.update([seen('dog', 0.6, boxAt(0.2)), seen('cat', 0.9, boxAt(0.7))], 0)
  assert.deepEqual(
    tracker.boxesAt(10).map(({ track }) => track.label),
    ['cat'],
  )
  tracker.update([seen('dog', 0.6, boxAt(0.2)), seen('cat', 0.9, boxAt(0.7))], 200)
  assert.equal(tracker.boxesAt(210).length, 2)
})

test('a weak candidate starts no track but continues one', () => {
  const tracker = openTracker()
  tracker.update([seen('dog', 0.4, boxAt(0.3))], 0)
  assert.equal(tracker.tracks.length, 0)
  tracker.update([seen('dog', 0.8, boxAt(0.3))], 200)
  for (let at = 400; at < 8_000; at += 200) tracker.update([seen('dog', 0.35, boxAt(0.3))], at)
  assert.equal(only(tracker.tracks).id, 1)
  assert.equal(only(tracker.boxesAt(8_000)).track.missed, 0)
})

for (const rate of [2, 5, 15]) {
  test(`behind a sofa for 2 s, detected ${rate} times a second: the same track, and no box in between`, () => {
    const tracker = openTracker()
    const every = 1_000 / rate
    const x = (at: number) => 0.1 + at * 0.00008
    const hidden = (at: number) => at > 2_000 && at < 4_000
    for (let at = 0; at <= 6_000; at += every) {
      tracker.update(hidden(at) ? [] : [seen('dog', 0.8, boxAt(x(at)))], at)
      if (at > 2_000 + 3 * every && hidden(at)) assert.equal(tracker.boxesAt(at).length, 0)
    }
    const { track, box } = only(tracker.boxesAt(6_000))
    assert.equal(track.id, 1)
    assert.ok(iou(box, boxAt(x(6_000))) > 0.7)
  })
}

test('an object that was away for long gets a new track', () => {
  const tracker = openTracker()
  tracker.update([seen('dog', 0.9, boxAt(0.3))], 0)
  const ended = [4_000, 8_000].flatMap((at) => tracker.update([], at).ended)
  assert.equal(only(ended).id, 1)
  tracker.update([seen('dog', 0.9, boxAt(0.3))], 8_200)
  assert.equal(only(tracker.tracks).id, 2)
})

test('a dog and a cat that cross keep their labels and ids', () => {
  const tracker = openTracker()
  const dog = (at: number): Box => [0.05 + at * 0.0001, 0.4, 0.25, 0.5]
  const cat = (at: number): Box => [0.8 - at * 0.0001, 0.6, 0.15, 0.25]
  for (let at = 0; at <= 7_000; at += 200) {
    // who is in front hides the other
    const covered = iou(dog(at), cat(at)) > 0.2
    const both = [seen('dog', 0.9, dog(at)), seen('cat', 0.8, cat(at))]
    tracker.update(covered ? both.slice(0, 1) : both, at)
  }
  assert.deepEqual(
    tracker.boxesAt(7_000).map(({ track }) => [track.id, track.label]),
    [
      [1, 'dog'],
      [2, 'cat'],
    ],
  )
})

test('a dog that is sometimes labelled cat stays one track with label dog', () => {
  const tracker = openTracker()
  const labels = 'dog dog cat dog cat cat dog dog cat dog dog cat'.split(' ')
  for (const [i, label] of labels.entries()) {
    tracker.update([seen(label, 0.8, boxAt(0.3 + i * 0.01))], i * 200)
    assert.equal(only(tracker.tracks).label, 'dog')
  }
})

test('a wrong first label is corrected', () => {
  const tracker = openTracker()
  for (const [i, label] of 'cat dog dog dog'.split(' ').entries()) {
    tracker.update([seen(label, 0.8, boxAt(0.3))], i * 200)
  }
  assert.equal(only(tracker.tracks).label, 'dog')
})

test('a chair where the dog sat does not become the dog', () => {
  const tracker = openTracker()
  for (let at = 0; at < 1_000; at += 200) tracker.update([seen('dog', 0.9, boxAt(0.3))], at)
  for (let at = 1_000; at < 6_000; at += 200) tracker.update([seen('chair', 0.9, [0.3, 0.5, 0.2, 0.3])], at)
  assert.deepEqual(
    tracker.tracks.map(({ label }) => label),
    ['chair'],
  )
})

test('a dog that walks out of the frame ends at once, with its box', () => {
  const tracker = openTracker()
  const box = (at: number): Box => {
    const right = 0.5 - at * 0.0005
    return [Math.max(0, right - 0.25), 0.4, Math.min(0.25, right), 0.5]
  }
  let at = 0
  for (; box(at)[2] > 0.08; at += 100) tracker.update([seen('dog', 0.9, box(at))], at)
  const ended = [at + 100, at + 200].flatMap((later) => tracker.update([], later).ended)
  assert.equal(only(ended).id, 1)
  assert.equal(tracker.boxesAt(at + 150).length, 0)
})

test('the head of a dog is not a second dog', () => {
  const tracker = openTracker()
  for (let at = 0; at < 1_000; at += 200) {
    tracker.update([seen('dog', 0.9, [0.3, 0.3, 0.4, 0.6]), seen('dog', 0.6, [0.55, 0.32, 0.13, 0.2])], at)
  }
  assert.equal(tracker.tracks.length, 1)
})

test('an object at rest is stationary, one that moves is not', () => {
  const tracker = openTracker()
  let at = 0
  for (; at <= 4_000; at += 200) tracker.update([seen('dog', 0.8, boxAt(0.3 + (at % 400) * 0.00002))], at)
  assert.ok(only(tracker.tracks).stationary(at))
  for (let x = 0.3; x < 0.5; x += 0.05, at += 200) tracker.update([seen('dog', 0.8, boxAt(x))], at)
  assert.ok(!only(tracker.tracks).stationary(at))
})

const candidate = fc.record({
  label: fc.constantFrom('dog', 'cat', 'chair'),
  score: fc.double({ min: 0.3, max: 1, noNaN: true }),
  box: fc
    .tuple(fc.nat(90), fc.nat(90), fc.integer({ min: 1, max: 60 }), fc.integer({ min: 1, max: 60 }))
    .map(([x, y, w, h]): Box => [x / 100, y / 100, Math.min(w, 100 - x) / 100, Math.min(h, 100 - y) / 100]),
})

test('any detections at any time: ids are never reused, boxes stay in the frame, tracks are bounded', () => {
  const inference = fc.tuple(fc.integer({ min: 0, max: 3_000 }), fc.array(candidate, { maxLength: 50 }))
  fc.assert(
    fc.property(fc.array(inference, { maxLength: 40 }), (inferences) => {
      const tracker = openTracker()
      const alive = new Set<number>()
      const over = new Set<number>()
      let at = 0
      for (const [dt, candidates] of inferences) {
        at += dt
        const { ended } = tracker.update(candidates, at)
        for (const { id } of ended) {
          alive.delete(id)
          over.add(id)
        }
        for (const { id } of tracker.tracks) alive.add(id)
        assert.ok([...alive].every((id) => !over.has(id)))
        assert.ok(tracker.tracks.length <= 32)
        for (const { box } of tracker.boxesAt(at + dt / 2)) {
          const [x, y, width, height] = box
          assert.ok(
            x >= 0 && y >= 0 && width > 0 && height > 0 && x + width <= 1 + 1e-9 && y + height <= 1 + 1e-9,
          )
        }
      }
    }),
    { numRuns: 200 },
  )
})
