import assert from 'node:assert/strict'
import test from 'node:test'
import { layerLadder } from '#lib/layer-ladder.ts'
import type { Estimator } from '#services/webrtc/congestion/estimator.ts'
import { isWorthDemanding, LayerChoice, Prober, RateControl } from '#services/webrtc/video/rate-control.ts'

const LADDER = layerLadder(1_500_000)

/** An estimator as rate control sees it, set by the test. */
function estimated(target: number) {
  const facts = { target, confirmed: true, congested: false, loss: 0 as number | undefined, feedback: true }
  const estimator = Object.assign(facts, { hasFeedback: () => facts.feedback })
  return { facts, estimator: estimator as unknown as Estimator }
}

test('of the estimate 30 kbit/s are for audio, and 88 % of the rest for video', () => {
  const { facts, estimator } = estimated(1_030_000)
  const control = new RateControl({ ladder: LADDER, mode: 'auto', estimator, maxEstimate: 2_000_000 })
  assert.equal(control.bitrate('high'), 880_000)
  assert.equal(control.bitrate('low'), LADDER.low.bitrate, 'no more than the layer needs')
  facts.target = 100_000
  assert.equal(control.bitrate('high'), 150_000, 'no less than a picture needs')
  facts.target = 10_000
  assert.equal(control.mustPause(1), true)
})

test('video of more than 1.3 times what the path carries pauses', () => {
  const { estimator } = estimated(1_030_000)
  const control = new RateControl({ ladder: LADDER, mode: 'auto', estimator, maxEstimate: 2_000_000 })
  assert.equal(control.mustPause(1_144_000), false)
  assert.equal(control.mustPause(1_144_001), true)
})

test('a bitrate is demanded again when it falls by 5 %, rises by 10 %, or by 1 % after half a second', () => {
  assert.equal(isWorthDemanding(1_000, 949, 0), true)
  assert.equal(isWorthDemanding(1_000, 950, 10_000), false)
  assert.equal(isWorthDemanding(1_000, 1_101, 0), true)
  assert.equal(isWorthDemanding(1_000, 1_100, 500), false)
  assert.equal(isWorthDemanding(1_000, 1_100, 501), true)
  assert.equal(isWorthDemanding(1_000, 1_011, 501), true)
  assert.equal(isWorthDemanding(1_000, 1_010, 10_000), false)
})

/** Milliseconds of a good path until the choice goes up from low. */
function upAfter(choice: LayerChoice, from: number): number {
  for (let now = from; now <= from + 60_000; now += 100) {
    if (choice.update({ available: 1_500_000, others: {}, now }) !== 'low') return now - from
  }
  return Number.POSITIVE_INFINITY
}

const down = (choice: LayerChoice, now: number) => choice.update({ available: 100_000, others: {}, now })

test('the wait for a higher layer doubles after each step up that was regretted, up to 6 s', () => {
  const choice = new LayerChoice(LADDER, 'auto')
  const waits: number[] = []
  for (let round = 0, now = 0; round < 4; round++) {
    const wait = upAfter(choice, now)
    waits.push(wait)
    now += wait + 9_900
    down(choice, now)
  }
  assert.deepEqual(waits, [400, 3_000, 6_000, 6_000])
})

test('a step up that lasted 10 s was right: the next wait is 3 s again', () => {
  const choice = new LayerChoice(LADDER, 'auto')
  upAfter(choice, 0)
  down(choice, 1_000)
  assert.equal(upAfter(choice, 1_100), 3_000)
  down(choice, 5_000)
  assert.equal(upAfter(choice, 5_100), 6_000)
  down(choice, 21_100)
  assert.equal(upAfter(choice, 21_200), 3_000)
})

test('the time for a step up begins again when the path gets worse on the way', () => {
  const choice = new LayerChoice(LADDER, 'auto')
  for (const now of [0, 300]) choice.update({ available: 1_500_000, others: {}, now })
  choice.update({ available: 500_000, others: {}, now: 350 })
  assert.equal(upAfter(choice, 400), 400)
})

test('a layer is entered at 95 % of its bitrate and kept at 75 %', () => {
  const at = (share: number, layer: 'high' | 'medium') => {
    const choice = new LayerChoice(LADDER, 'auto')
    for (let now = 0; now < 2_000; now += 100)
      choice.update({ available: LADDER[layer].bitrate * share, others: {}, now })
    return choice.layer
  }
  assert.equal(at(0.95, 'high'), 'high')
  assert.equal(at(0.949, 'high'), 'medium')
  assert.equal(at(0.949, 'medium'), 'low')
  const kept = new LayerChoice(LADDER, 'auto')
  upAfter(kept, 0)
  assert.equal(kept.update({ available: LADDER.high.bitrate * 0.75, others: {}, now: 1_000 }), 'high')
  assert.equal(kept.update({ available: LADDER.high.bitrate * 0.749, others: {}, now: 1_100 }), 'medium')
})

test('probes: three times the estimate, then twice, every second for 10 s and every 5 s later', () => {
  const { facts, estimator } = estimated(600_000)
  const prober = new Prober(1_950_000)
  const probes: [at: number, rate: number][] = []
  for (let now = 100_000; now < 130_000; now += 100) {
    const rate = prober.next(estimator, now)
    if (rate !== undefined) probes.push([now - 100_000, rate])
  }
  assert.deepEqual(probes.slice(0, 3), [
    [0, 1_800_000],
    [1_000, 1_200_000],
    [2_000, 1_200_000],
  ])
  const times = probes.map(([at]) => at)
  assert.deepEqual(times.slice(9), [9_000, 14_000, 19_000, 24_000, 29_000])
  facts.target = 661_000
  assert.equal(prober.next(estimator, 129_399), undefined)
  assert.equal(prober.next(estimator, 129_400), 1_322_000, '400 ms after a probe that raised the estimate')
  facts.target = 1_500_000
  assert.equal(prober.next(estimator, 200_000), 1_950_000, 'no more than is useful')
})

test('no probe without feedback, near the top, or within a second of congestion or loss', () => {
  const probeWith = (change: object) => {
    const { facts, estimator } = estimated(600_000)
    Object.assign(facts, change)
    return new Prober(1_950_000).next(estimator, 50_000)
  }
  assert.equal(probeWith({}), 1_800_000)
  assert.equal(probeWith({ confirmed: false }), undefined)
  assert.equal(probeWith({ feedback: false }), undefined)
  assert.equal(probeWith({ loss: 0.09 }), undefined)
  assert.equal(probeWith({ loss: 0.08 }), 1_800_000)
  assert.equal(probeWith({ loss: undefined }), 1_800_000)
  assert.equal(probeWith({ target: 1_950_000 * 0.95 }), undefined)
  assert.equal(probeWith({ target: 1_852_000 }), 1_950_000)
  const { facts, estimator } = estimated(600_000)
  const prober = new Prober(1_950_000)
  facts.congested = true
  assert.equal(prober.next(estimator, 50_000), undefined)
  facts.congested = false
  assert.equal(prober.next(estimator, 50_999), undefined)
  assert.equal(prober.next(estimator, 51_000), 1_800_000)
})

test('a layer that others demand at more is kept while the path carries 95 % of theirs', () => {
  const layerAt = (available: number) => {
    const choice = new LayerChoice(LADDER, 'auto')
    choice.layer = 'high'
    return choice.update({ available, others: { high: 2_000_000 }, now: 0 })
  }
  assert.equal(layerAt(1_900_000), 'high')
  assert.notEqual(layerAt(1_899_999), 'high')
})
