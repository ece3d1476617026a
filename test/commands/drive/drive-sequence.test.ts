import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { DriveSequence } from '#commands/drive/drive-sequence.ts'
import { EventLoopStall } from '#commands/drive/event-loop-stall.ts'

const EPOCH = 1_769_500_000_000

/** Time that passes when told to. */
function clock() {
  let now = 5_000
  return { now: () => now, pass: (ms: number) => (now += ms) }
}

test('an older frame is dropped, after a zero as well (B25)', () => {
  const order = new DriveSequence(clock().now)
  assert.equal(order.check({ seq: 5 }), undefined)
  assert.equal(order.check({ seq: 4 }), 'overtaken')
  assert.equal(order.check({ seq: 5 }), undefined)
  assert.equal(order.check({ ts: EPOCH }), undefined)
  assert.equal(order.check({ ts: EPOCH - 1, seq: 6 }), 'overtaken')
})

test('an app that restarts its counter drives again within a second', () => {
  const { now, pass } = clock()
  const order = new DriveSequence(now)
  order.check({ seq: 9_000 })
  pass(900)
  assert.equal(order.check({ seq: 1 }), 'overtaken')
  pass(101)
  assert.equal(order.check({ seq: 2 }), undefined)
  assert.equal(order.check({ seq: 3 }), undefined)
})

test('frames that a full network has held back are late, however wrong the app’s clock is (B24, B03)', () => {
  for (const wrong of [-15, 0, 15].map((hours) => hours * 3_600_000)) {
    const { now, pass } = clock()
    const order = new DriveSequence(now)
    const send = (wait: number) => order.check({ ts: EPOCH + wrong + now() - wait })
    assert.equal(send(20), undefined)
    for (let wait = 20; wait <= 500; wait += 20) {
      pass(50)
      assert.equal(send(wait), undefined)
    }
    for (let wait = 545; wait < 5_000; wait += 45) {
      pass(50)
      assert.equal(send(wait), 'late')
    }
    pass(50)
    assert.equal(send(30), undefined)
  }
})

test('an app whose clock is set while it drives drives on within a second (B03)', () => {
  for (const step of [-15 * 3_600_000, -2_000, 15 * 3_600_000]) {
    const { now, pass } = clock()
    const order = new DriveSequence(now)
    for (let i = 0; i < 20; i++, pass(50)) assert.equal(order.check({ ts: EPOCH + now() }), undefined)
    for (let i = 0; i < 20; i++, pass(50)) order.check({ ts: EPOCH + step + now() })
    for (let i = 0; i < 20; i++, pass(50)) assert.equal(order.check({ ts: EPOCH + step + now() }), undefined)
  }
})

test('whatever a mark is, a frame is judged, and one that is no number counts as none', () => {
  fc.assert(
    fc.property(fc.array(fc.record({ seq: fc.anything(), ts: fc.anything() })), (frames) => {
      const order = new DriveSequence(clock().now)
      for (const frame of frames) assert.ok([undefined, 'overtaken', 'late'].includes(order.check(frame)))
      assert.equal(order.check({ seq: 'x', ts: Number.NaN }), undefined)
    }),
  )
})

test('what a process reads after it stood still may have waited (B24)', (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] })
  const { now, pass } = clock()
  const stall = new EventLoopStall(now)
  assert.equal(stall.isOver, true)
  stall.watch(true)
  for (let i = 0; i < 40; i++) {
    pass(50)
    t.mock.timers.tick(50)
    assert.equal(stall.isOver, true)
  }
  // the first thing after it is a datagram, or the timer
  for (const first of ['read', 'timer']) {
    pass(3_000)
    if (first === 'timer') t.mock.timers.tick(50)
    assert.equal(stall.isOver, false)
    pass(100)
    assert.equal(stall.isOver, false)
    pass(60)
    assert.equal(stall.isOver, true)
  }
  stall.watch(false)
  pass(60_000)
  stall.watch(true)
  assert.equal(stall.isOver, true)
  stall.watch(false)
})

test('the first frames of an app, with no clock to tell their age, move nothing until they cannot be a backlog (B24)', () => {
  const { now, pass } = clock()
  const order = new DriveSequence(now)
  // 9.9 to 0.9 s old, read at once
  for (let age = 9_900; age >= 900; age -= 50) {
    assert.equal(order.check({ ts: EPOCH + now() - age }, null), 'not known to be current')
    if (age % 1_000 === 0) pass(10)
  }
  pass(100)
  // the driver still holds the stick
  for (let i = 0; i < 20; i++, pass(50))
    assert.equal(order.check({ ts: EPOCH + now() - 20 }, null), undefined)
})

test('the first frame of an app moves the robot at once when our clock says that it is current', () => {
  for (const age of [{ ms: 30 }, { ms: -400 }, { ms: 700, error: 300 }]) {
    const { now } = clock()
    assert.equal(new DriveSequence(now).check({ ts: EPOCH + now() }, age), undefined)
  }
  for (const age of [{ ms: 600 }, { ms: 9_900 }, { ms: -5_000, error: 500 }]) {
    const { now } = clock()
    assert.equal(new DriveSequence(now).check({ ts: EPOCH + now() }, age), 'not known to be current')
  }
})

test('of another app, on the same connection, the clock and the counter are its own', () => {
  const { now, pass } = clock()
  const order = new DriveSequence(now)
  order.check({ ts: EPOCH + now(), seq: 900 })
  pass(5_000)
  assert.equal(order.check({ ts: EPOCH + now() - 2_000, seq: 901 }), 'late')
  order.reset()
  assert.equal(order.check({ ts: EPOCH + now() - 2_000, seq: 1 }), undefined)
})

test('a ts that is a counter and no time makes no frame late', () => {
  const { now, pass } = clock()
  const order = new DriveSequence(now)
  for (let ts = 1; ts < 60; ts++, pass(50)) assert.equal(order.check({ ts }), undefined)
})
