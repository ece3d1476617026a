import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CongestionController } from '#services/webrtc/congestion/congestion-controller.ts'
import { ProbeResults, sendProbe } from '#services/webrtc/congestion/probe.ts'
import type { Probe } from '#services/webrtc/congestion/sent-packets.ts'
import { fakeClock } from '#test/helpers/fake-clock.ts'

/** Padding that counts its packets; `isOpen`: whether it may be sent. */
function openPadding(isOpen = true) {
  const probes: Probe[] = []
  const padding = {
    size: 1_200,
    send(probe: Probe) {
      probes.push(probe)
      return isOpen ? 1_200 : 0
    },
  }
  return { padding, probes }
}

test('a probe sends at its rate for 80 ms, in 8 to 60 packets', (t) => {
  const clock = fakeClock(t)
  for (const [rate, packets] of [
    [2_400_000, 20],
    [100_000, 8],
    [50_000_000, 60],
    [2_410_000, 21],
  ] as const) {
    const { padding, probes } = openPadding()
    sendProbe(rate, padding)
    assert.ok(probes.length >= 1 && probes.length < packets, 'not all at once')
    clock.advance(40)
    if (packets === 20) assert.ok(probes.length >= 9 && probes.length <= 12, `${probes.length} half-way`)
    clock.advance(1_000)
    assert.deepEqual([probes.length, probes[0]?.packets], [packets, packets])
  }
})

test('a probe ends early when it is disposed, or nothing may be sent', (t) => {
  const clock = fakeClock(t)
  const { padding, probes } = openPadding()
  sendProbe(2_400_000, padding)[Symbol.dispose]()
  const before = probes.length
  clock.advance(1_000)
  assert.equal(probes.length, before)
  const closed = openPadding(false)
  sendProbe(2_400_000, closed.padding)
  clock.advance(1_000)
  assert.equal(closed.probes.length, 1)
})

/** What the path carried by `arrivals`: ms at which the packets of a probe, 10 ms apart, arrived. */
function resultOf(
  arrivals: readonly (number | undefined)[],
  results = new ProbeResults(),
): (number | undefined)[] {
  const probe = { packets: arrivals.length }
  return arrivals.map((receivedAt, i) => results.add({ sentAt: i * 10, receivedAt, size: 1_000, probe }))
}
const every = (ms: number, count = 12) => Array.from({ length: count }, (_, i) => 1e6 + i * ms)

test('the result is the receive rate of the later packets, known with the last report', () => {
  const results = resultOf(every(20))
  assert.ok(results.slice(0, -1).every((one) => one === undefined))
  // 7 packets after the first counted one, at 20 ms
  assert.equal(results.at(-1), 400_000)
  // the first third passed at once
  const burst = every(20).map((at, i) => (i < 4 ? 1e6 : at))
  assert.equal(resultOf(burst).at(-1), 400_000)
})

test('a path cannot carry more than was sent', () => {
  assert.equal(resultOf(every(1)).at(-1), 800_000)
  assert.equal(resultOf(every(0)).at(-1), 800_000)
})

test('of fewer than five packets that arrive there is no result', () => {
  const some = (count: number) => every(20).map((at, i) => (i >= 12 - count ? at : undefined))
  assert.equal(resultOf(some(4)).at(-1), undefined)
  assert.ok(resultOf(some(5)).at(-1))
})

test('a new probe discards the one before; media is no probe', () => {
  const results = new ProbeResults()
  results.add({ sentAt: 0, receivedAt: 1, size: 1_000, probe: { packets: 9 } })
  assert.equal(results.add({ sentAt: 0, receivedAt: 1, size: 1_000, probe: undefined }), undefined)
  assert.equal(resultOf(every(20), results).at(-1), 400_000)
  assert.equal(resultOf(every(20), results).at(-1), 400_000)
})

test('the estimate of a viewer starts at 600 kbit/s, or at the highest one for less video', () => {
  const high = new CongestionController(1_500_000)
  assert.deepEqual([high.maxBitrate, high.estimator.target], [1_950_000, 600_000])
  const low = new CongestionController(100_000)
  assert.deepEqual([low.maxBitrate, low.estimator.target], [130_000, 130_000])
})

test('the estimate is between 150 kbit/s and 1.3 times the video', (t) => {
  const clock = fakeClock(t)
  const congestion = new CongestionController(1_500_000)
  for (let second = 0; second < 300; second++) {
    for (let i = 0; i < 10; i++) {
      congestion.packetSent(50_000, { now: performance.now() })
      clock.advance(100)
    }
    congestion.receiverReport({ loss: 0, rtt: 20 })
  }
  assert.equal(congestion.estimator.target, 1_950_000)
  for (let second = 0; second < 300; second++) {
    clock.advance(1_000)
    congestion.receiverReport({ loss: 0.5, rtt: 20 })
  }
  assert.equal(congestion.estimator.target, 150_000)
})
