import assert from 'node:assert/strict'
import test from 'node:test'
import { Estimator } from '#services/webrtc/congestion/estimator.ts'
import type { PacketOutcome } from '#services/webrtc/congestion/sent-packets.ts'

const BOUNDS = { start: 600_000, min: 100_000, max: 10_000_000 }

interface Path {
  /** bit/s that arrive. */
  rate?: number
  /** One-way delay, ms. */
  delay?: number
  /** Every so many packets one is lost; 0: none. */
  lossEvery?: number
}

/** An estimator, and a viewer who reports every 100 ms on packets that take this path. */
function openPath(bounds = BOUNDS) {
  const estimator = new Estimator(bounds)
  let now = 0
  let n = 0
  const run = (ms: number, { rate = 1_000_000, delay = 20, lossEvery = 0 }: Path = {}) => {
    for (const end = now + ms; now < end; now += 100) {
      const size = rate / 8 / 100
      const outcomes = Array.from({ length: 10 }, (_, i): PacketOutcome => {
        const sentAt = now + i * 10
        const lost = lossEvery > 0 && ++n % lossEvery === 0
        return { sentAt, size, probe: undefined, receivedAt: lost ? undefined : sentAt + delay }
      })
      estimator.transportFeedback(outcomes, now + 100)
    }
    return estimator.target
  }
  return { estimator, run }
}

test('nothing grows before a packet is confirmed, whatever the viewer reports', () => {
  const { estimator, run } = openPath({ start: 5_000, min: 1_000, max: 1_000_000 })
  run(1_500, { lossEvery: 1, rate: 0 })
  for (let now = 10_000; now < 20_000; now += 1_000) estimator.transportFeedback([], now)
  assert.ok(estimator.target <= 5_000, `${estimator.target}`)
  assert.equal(estimator.confirmed, false)
})

test('a clean path: 8 % a second, up to one and a half times what arrives, and 10 kbit/s', () => {
  const { run } = openPath()
  run(1_000)
  const before = run(1_000)
  const after = run(1_000)
  assert.ok(Math.abs(after / before - 1.08) < 0.002, `${after / before}`)
  assert.equal(run(60_000), 1_510_000)
})

test('a queue over 60 ms takes it to 85 % of what arrives, one over 150 ms to 70 %', () => {
  for (const [queue, share] of [
    [50, undefined],
    [70, 0.85],
    [140, 0.85],
    [160, 0.7],
  ] as const) {
    const { estimator, run } = openPath({ ...BOUNDS, max: 600_000 })
    run(5_000, { rate: 400_000 })
    run(200, { rate: 400_000, delay: 20 + queue })
    // in the 300 ms that count nothing arrived while the queue grew
    const arrived = 400_000 * (1 - queue / 300)
    const expected = share === undefined ? 600_000 : Math.max(BOUNDS.min, arrived * share)
    assert.ok(Math.abs(estimator.target - expected) < 1, `${queue} ms: ${estimator.target}, not ${expected}`)
    assert.equal(estimator.congested, queue > 60)
  }
})

test('a decrease has 350 ms to take effect', () => {
  const { run } = openPath({ ...BOUNDS, max: 600_000 })
  run(5_000, { rate: 400_000 })
  const first = run(200, { rate: 400_000, delay: 100 })
  assert.equal(run(200, { rate: 200_000, delay: 100 }), first)
  assert.ok(run(300, { rate: 200_000, delay: 100 }) < first)
})

test('2 % of loss ends the growth, and 10 % begins the decrease', () => {
  const targets = [100, 20, 12, 9].map((lossEvery) => {
    const { estimator, run } = openPath()
    const before = run(2_000, { lossEvery })
    return [Math.sign(run(5_000, { lossEvery }) - before), estimator.congested]
  })
  assert.deepEqual(targets, [
    [1, false],
    [0, false],
    [0, false],
    [-1, true],
  ])
})

test('a queue of more than 30 ms ends the growth', () => {
  const growth = (queue: number) => {
    const { run } = openPath()
    run(2_000)
    const before = run(1_000, { delay: 20 + queue })
    return run(5_000, { delay: 20 + queue }) - before
  }
  assert.ok(growth(25) > 0)
  assert.equal(growth(40), 0)
})

test('receiver reports and REMB count again 2 s after the last transport-wide feedback', () => {
  const { estimator } = openPath()
  estimator.transportFeedback([], 0)
  assert.equal(estimator.hasFeedback(2_000), true)
  assert.equal(estimator.hasFeedback(2_001), false)
  const lossy = { loss: 0.5, rtt: 20, sent: 600_000 }
  estimator.receiverReport(lossy, 2_000)
  estimator.remb(200_000, { sent: 600_000, now: 2_000 })
  assert.equal(estimator.target, 600_000)
  estimator.receiverReport(lossy, 2_001)
  assert.equal(estimator.target, 510_000)
  estimator.remb(200_000, { sent: 600_000, now: 2_002 })
  assert.equal(estimator.target, 200_000)
  estimator.remb(50_000, { sent: 600_000, now: 2_003 })
  assert.equal(estimator.target, 100_000, 'its lower bound')
})

test('receiver reports alone: growth to two and a half times what is sent, without loss over 2 %', () => {
  const estimator = new Estimator(BOUNDS)
  const report = (loss: number, sent: number) => {
    for (let now = 0; now < 60_000; now += 1_000) estimator.receiverReport({ loss, rtt: 20, sent }, now)
    return estimator.target
  }
  assert.equal(report(0.02, 1_000_000), 600_000)
  assert.equal(report(0.019, 300_000), 750_000)
})

test('receiver reports alone: a round trip 250 ms over the shortest is a queue', () => {
  const estimator = new Estimator(BOUNDS)
  const report = (rtt: number | undefined, now: number, sent = 400_000) => {
    estimator.receiverReport({ loss: 0.05, rtt, sent }, now)
    return [estimator.target, estimator.congested]
  }
  assert.deepEqual(report(undefined, 0), [600_000, false])
  assert.deepEqual(report(40, 1_000), [600_000, false])
  assert.deepEqual(report(20, 2_000), [600_000, false])
  assert.deepEqual(report(270, 3_000), [600_000, false])
  assert.deepEqual(report(271, 4_000), [340_000, true], '85 % of what was sent')
  assert.deepEqual(report(271, 4_300), [340_000, true], 'within 350 ms')
  assert.deepEqual(report(271, 5_000, 0), [289_000, true], '85 % of the estimate where nothing was sent')
  assert.deepEqual(report(20, 6_000), [289_000, false])
})

test('loss of a fifth lowers the estimate by a tenth', () => {
  const estimator = new Estimator(BOUNDS)
  const outcomes = Array.from({ length: 25 }, (_, i): PacketOutcome => {
    return { sentAt: i * 4, size: 1_000, probe: undefined, receivedAt: i % 5 === 0 ? undefined : i * 4 + 20 }
  })
  estimator.transportFeedback(outcomes, 100)
  assert.equal(Math.round(estimator.target), 540_000)
})

test('before a packet has arrived the estimate does not grow, whatever the viewer reports', () => {
  const estimator = new Estimator({ start: 5_000, min: 1_000, max: 1_000_000 })
  for (let now = 0; now < 60_000; now += 500) estimator.transportFeedback([], now)
  assert.deepEqual([estimator.target, estimator.confirmed], [5_000, false])
})
