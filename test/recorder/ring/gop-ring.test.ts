import assert from 'node:assert/strict'
import { test } from 'node:test'
import { GopRing, type VideoFrame } from '#services/recorder/ring/gop-ring.ts'

const frame = (index: number, { keyframe = false, bytes = 1_000 } = {}): VideoFrame => ({
  ...{ index, at: index * 100, capturedAt: index * 100, keyframe, live: true },
  data: Buffer.alloc(bytes),
})

/** A keyframe every ten frames. */
function filled(ring: GopRing, count: number): void {
  for (let index = 0; index < count; index++) ring.add(frame(index, { keyframe: index % 10 === 0 }))
}

const indexes = (ring: GopRing, from: number) => [...ring.from(from)].map(({ index }) => index)

test('whole GOPs are kept for as long as they are needed', () => {
  const ring = new GopRing({ maxBytes: 1_000_000, keepMs: 1_500 })
  filled(ring, 50)
  // frame 49 is at 4900, so 3400 is needed, which is in the GOP of 30
  assert.equal(ring.first?.index, 30)
  assert.equal(ring.last?.index, 49)
  assert.deepEqual(indexes(ring, 47), [47, 48, 49])
  assert.deepEqual(
    indexes(ring, 0),
    Array.from({ length: 20 }, (_, i) => 30 + i),
  )
})

test('a clip begins at the keyframe before its time, or else at the oldest', () => {
  const ring = new GopRing({ maxBytes: 1_000_000, keepMs: 2_500 })
  filled(ring, 50)
  assert.equal(ring.keyframeAt(3_999)?.index, 30)
  assert.equal(ring.keyframeAt(4_000)?.index, 40)
  assert.equal(ring.keyframeAt(0)?.index, 20)
  assert.deepEqual(
    [2_001, 4_000, 4_001].map((time) => ring.keyframeAfter(time)?.index),
    [30, 40, undefined],
  )
  assert.equal(new GopRing({ maxBytes: 1, keepMs: 1 }).keyframeAt(0), undefined)
})

test('bytes are bounded whatever the bitrate is, by whole GOPs', () => {
  const ring = new GopRing({ maxBytes: 25_000, keepMs: 1e9 })
  filled(ring, 200)
  assert.ok(ring.summary.bytes <= 25_000)
  assert.equal(ring.first?.keyframe, true)
  // one GOP that is larger than all
  for (let index = 200; index < 230; index++)
    ring.add(frame(index, { keyframe: index === 200, bytes: 5_000 }))
  assert.ok(ring.summary.bytes <= 25_000)
})

test('a frame that does not follow needs a keyframe', () => {
  const ring = new GopRing({ maxBytes: 1_000_000, keepMs: 10_000 })
  assert.equal(ring.add(frame(0)), false)
  assert.equal(ring.add(frame(1, { keyframe: true })), true)
  assert.equal(ring.add(frame(3)), false)
  assert.equal(ring.add(frame(4, { keyframe: true })), true)
  assert.deepEqual(indexes(ring, 0), [1, 4])
})

test('sound leaves with the frames of its time', () => {
  const ring = new GopRing({ maxBytes: 1_000_000, keepMs: 1_000 })
  for (let index = 0; index < 50; index++) {
    ring.add(frame(index, { keyframe: index % 10 === 0 }))
    ring.addSound({ at: index * 100 + 50, data: Buffer.alloc(10) })
  }
  const oldest = ring.first?.at ?? 0
  assert.equal(ring.sounds(-Infinity, Infinity)[0]?.at, oldest + 50)
  assert.deepEqual(
    ring.sounds(4_050, 4_350).map(({ at }) => at),
    [4_150, 4_250],
  )
  const { bytes } = ring.summary
  assert.equal(bytes, [...ring.from(0)].length * 1_010)
  ring.clear()
  assert.equal(ring.summary.bytes, 0)
})

test('sound without video is bounded', () => {
  const ring = new GopRing({ maxBytes: 1_000_000, keepMs: 5_000 })
  ring.addSound({ at: 0, data: Buffer.alloc(100) })
  assert.equal(ring.summary.bytes, 0)
  ring.add(frame(0, { keyframe: true }))
  for (let at = 0; at < 3_600_000; at += 20) ring.addSound({ at, data: Buffer.alloc(100) })
  assert.ok(ring.summary.bytes < 100_000, `${ring.summary.bytes} bytes`)
  ring.add(frame(40_000, { keyframe: true }))
  ring.addSound({ at: 4_000_010, data: Buffer.alloc(100) })
  assert.equal(ring.sounds(3_999_999, Infinity).length, 1)
})
