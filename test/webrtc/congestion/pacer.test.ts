import assert from 'node:assert/strict'
import test, { type TestContext } from 'node:test'
import { Pacer } from '#services/webrtc/congestion/pacer.ts'

/** A pacer in simulated time, and when each of its packets left. */
function openPacer(t: TestContext, { rate = 1_500_000, congested = false } = {}) {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  let now = 0
  let dropped = 0
  const left: number[] = []
  const pacer = new Pacer({
    rate: () => rate,
    congested: () => congested,
    onDropped: () => dropped++,
    now: () => now,
  })
  return {
    left,
    add(bytes: number) {
      const payloads = Array.from({ length: Math.ceil(bytes / 1_200) }, () => Buffer.alloc(1_200))
      pacer.add({
        payloads,
        send: (from, to) => void left.push(...Array.from({ length: to - from }, () => now)),
      })
    },
    pass(ms: number, tick = 5) {
      for (const end = now + ms; now < end; ) {
        now += tick
        t.mock.timers.tick(tick)
      }
    },
    stall: (ms: number) => {
      now += ms
    },
    get dropped() {
      return dropped
    },
    pacer,
  }
}

test('a keyframe of 60 kB is spread, and sent within about 100 ms', (t) => {
  const { add, pass, left } = openPacer(t)
  pass(1_000)
  add(60_000)
  assert.ok(left.length < 25, `${left.length} of 50 packets at once`)
  pass(120)
  assert.equal(left.length, 50)
  assert.ok(Math.max(...left) - Math.min(...left) >= 50)
})

test('a frame of average size is sent at once', (t) => {
  const { add, pass, left } = openPacer(t)
  pass(1_000)
  add(10_000)
  assert.equal(left.length, 9)
})

test('on a congested path packets are sent only slightly faster than it carries', (t) => {
  const { add, pass, left } = openPacer(t, { rate: 480_000, congested: true })
  pass(1_000)
  add(20_000)
  pass(150)
  assert.ok(left.length <= 15, `${left.length} of 17 packets after 150 ms`)
  pass(300)
  assert.equal(left.length, 17)
})

test('a frame that waited through a stall is dropped with those behind it, once', (t) => {
  const one = openPacer(t)
  one.pass(1_000)
  one.add(60_000)
  one.add(60_000)
  const { length } = one.left
  one.stall(3_000)
  one.pass(20)
  assert.ok(one.left.length > length, 'what has begun is ended')
  assert.equal(one.dropped, 1)
  assert.equal(one.pacer.queuedBytes, 0)
})
