import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import { seededRandom } from '#dev/harness/random.ts'
import { Estimator } from '#services/webrtc/congestion/estimator.ts'
import { simulate } from './simulated-link.ts'

const LAN = 50_000_000
const BOUNDS = { start: 600_000, min: 150_000, max: 1_950_000 }

test('on a clean LAN the estimate starts at 600 kbit/s at most and allows 1500 within 5 s', () => {
  const link = simulate({ rate: () => LAN })
  assert.ok(link.estimator.target <= 600_000)
  link.run(5_000)
  assert.ok(link.estimator.target * 0.85 >= 1_500_000, `${link.estimator.target}`)
})

test('without feedback the estimate never grows (F02)', () => {
  const link = simulate({ rate: () => LAN, mute: true })
  link.run(60_000)
  assert.equal(link.estimator.target, 600_000)
})

test('a path that narrows to 600 kbit/s is followed within 2 s, and the queue drains', () => {
  const link = simulate({ rate: (now) => (now < 10_000 ? 3_000_000 : 600_000) })
  link.run(10_000)
  assert.ok(link.estimator.target > 1_700_000)
  link.run(2_000)
  assert.ok(link.estimator.target <= 650_000, `${link.estimator.target}`)
  link.run(10_000)
  const settled = link.history.filter(({ at }) => at > 15_000).map(({ queue }) => queue)
  const p95 = settled.toSorted((a, b) => a - b)[Math.floor(settled.length * 0.95)] ?? 0
  assert.ok(p95 < 250, `${p95} ms of queue`)
})

test('the estimate does not stay at its minimum: a path that widens is detected within 8 s (F01)', () => {
  const link = simulate({ rate: (now) => (now < 30_000 ? 170_000 : LAN) })
  link.run(30_000)
  assert.ok(link.estimator.target <= 250_000, `${link.estimator.target}`)
  link.run(8_000)
  assert.ok(link.estimator.target >= 1_700_000, `${link.estimator.target}`)
})

test('5 % of random loss keeps a wide path in use, 25 % does not', () => {
  const lossy = simulate({ rate: () => LAN, loss: 0.05 })
  lossy.run(20_000)
  assert.ok(lossy.estimator.target >= 600_000, `${lossy.estimator.target}`)
  const broken = simulate({ rate: () => LAN, loss: 0.25 })
  broken.run(20_000)
  assert.ok(broken.estimator.target < 600_000, `${broken.estimator.target}`)
})

test('random jitter of 40 ms is not congestion', () => {
  const link = simulate({ rate: () => LAN, jitter: 40 })
  link.run(20_000)
  assert.ok(link.estimator.target >= 1_700_000, `${link.estimator.target}`)
})

test('the estimate is finite and within its bounds on any path', () => {
  const options = fc.record({
    rates: fc.array(fc.integer({ min: 10_000, max: 20_000_000 }), { minLength: 1, maxLength: 6 }),
    loss: fc.double({ min: 0, max: 1, noNaN: true }),
    jitter: fc.integer({ min: 0, max: 300 }),
    seed: fc.integer(),
  })
  fc.assert(
    fc.property(options, ({ rates, loss, jitter, seed }) => {
      const rate = (now: number) => rates[Math.floor(now / 1_000) % rates.length] ?? 1_000_000
      const { history, run } = simulate({ rate, loss, jitter }, seededRandom(seed))
      run(6_000)
      return history.every(({ target }) => target >= BOUNDS.min && target <= BOUNDS.max)
    }),
    { numRuns: 30 },
  )
})

test('with receiver reports alone the estimate grows on a clean path and drops with a growing round trip', () => {
  const estimator = new Estimator(BOUNDS)
  let now = 0
  const report = (loss: number, rtt: number, times: number) => {
    for (let i = 0; i < times; i++, now += 1_000) {
      estimator.receiverReport({ loss, rtt, sent: estimator.target * 0.8 }, now)
    }
  }
  report(0, 20, 20)
  assert.ok(estimator.target > 1_700_000, `${estimator.target}`)
  report(0, 700, 3)
  assert.ok(estimator.target < 1_200_000, `${estimator.target}`)
  report(0.004, 20, 30)
  assert.ok(estimator.target > 1_700_000, 'one packet of 256 lost is no loss (F05)')
})

test('REMB bounds the estimate when below the send rate, and not when it only follows it (F01)', () => {
  const estimator = new Estimator(BOUNDS)
  estimator.remb(400_000, { sent: 550_000, now: 0 })
  assert.equal(estimator.target, 400_000)
  estimator.remb(250_000, { sent: 240_000, now: 1_000 })
  assert.equal(estimator.target, 400_000)
})
