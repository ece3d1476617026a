import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { createLogger } from '#lib/logger.ts'
import { type LoadSample, OverloadControl, OverloadPolicy } from '#services/vision/encode/overload-control.ts'

const GOOD: LoadSample = { published: 15, dropped: 0, age: 25 }
const LATE: LoadSample = { published: 15, dropped: 0, age: 130 }
const LOSSY: LoadSample = { published: 10, dropped: 5, age: 40 }

/** Judges so many equal seconds; returns how many it took until the reduction changed, or undefined. */
function seconds(
  policy: OverloadPolicy,
  second: LoadSample,
  count: number,
  detecting = true,
): number | undefined {
  for (let i = 1; i <= count; i++) if (policy.update(second, detecting)) return i
  return undefined
}

test('the detection rate gives way first, then the frame size, within bounds (E11)', () => {
  const policy = new OverloadPolicy()
  const reductions = [policy.reduction]
  while (seconds(policy, LATE, 2) !== undefined) reductions.push(policy.reduction)
  assert.deepEqual(reductions, [
    { detection: 1, steps: 0 },
    { detection: 0.5, steps: 0 },
    { detection: 0.2, steps: 0 },
    { detection: 0.2, steps: 1 },
    { detection: 0.2, steps: 2 },
  ])
  assert.equal(seconds(policy, LOSSY, 100), undefined)
})

test('without a detector the frames get smaller at once', () => {
  const policy = new OverloadPolicy()
  seconds(policy, LOSSY, 2, false)
  assert.equal(policy.reduction.steps, 1)
  seconds(policy, GOOD, 10, false)
  assert.equal(policy.level, 0)
})

test('where other processes take the CPU, frames get smaller only when nearly half of them are dropped', () => {
  const policy = new OverloadPolicy()
  const isStarved = true
  while (seconds(policy, { ...LATE, isStarved }, 20) !== undefined);
  assert.deepEqual(policy.reduction, { detection: 0.2, steps: 0 })
  assert.equal(seconds(policy, { ...LOSSY, isStarved }, 20), undefined)
  assert.equal(seconds(policy, { ...LOSSY, dropped: 9, isStarved }, 20), 1)
  assert.equal(policy.reduction.steps, 1)
})

test('one overloaded second changes nothing', () => {
  const policy = new OverloadPolicy()
  for (let i = 0; i < 20; i++) {
    assert.equal(policy.update(LATE, true), false)
    assert.equal(policy.update(GOOD, true), false)
  }
})

test('after a failed step back the next one waits twice as long', () => {
  const policy = new OverloadPolicy()
  seconds(policy, LATE, 2)
  const waits: (number | undefined)[] = []
  for (let i = 0; i < 7; i++) {
    waits.push(seconds(policy, GOOD, 1_000))
    seconds(policy, LATE, 2)
  }
  assert.deepEqual(waits, [10, 20, 40, 80, 160, 160, 160])
})

test('without viewers the reduction ends', () => {
  const policy = new OverloadPolicy()
  for (let i = 0; i < 8; i++) policy.update(LATE, true)
  for (let i = 0; i < 1_000; i++) policy.update({ published: 0, dropped: 0, age: 0 }, true)
  assert.equal(policy.level, 0)
})

test('any load: one step at a time within bounds', () => {
  // seconds without any video end the reduction in one step
  const second = fc.record({
    published: fc.integer({ min: 1, max: 120 }),
    dropped: fc.nat(120),
    age: fc.nat(1_000),
  })
  fc.assert(
    fc.property(fc.array(fc.tuple(second, fc.boolean()), { maxLength: 300 }), (seconds) => {
      const policy = new OverloadPolicy()
      for (const [second, detecting] of seconds) {
        const before = policy.level
        const changed = policy.update(second, detecting)
        assert.equal(changed, policy.level !== before)
        assert.ok(policy.level >= 0 && policy.level <= 4)
        if (detecting) assert.ok(Math.abs(policy.level - before) <= 1)
      }
    }),
  )
})

test('without a detector the frame size goes down one step at a time', () => {
  const policy = new OverloadPolicy()
  assert.equal(seconds(policy, LATE, 10, false), 2)
  assert.equal(policy.reduction.steps, 1)
  assert.equal(seconds(policy, LATE, 10, false), 2)
  assert.equal(policy.reduction.steps, 2)
  assert.equal(seconds(policy, LATE, 10, false), undefined)
})

test('the limits of overload: 10 % dropped, 100 ms; of spare capacity: none dropped, 60 ms', () => {
  const isOverloaded = (second: LoadSample) => seconds(new OverloadPolicy(), second, 5) === 2
  assert.equal(isOverloaded({ published: 90, dropped: 10, age: 50 }), false)
  assert.equal(isOverloaded({ published: 89, dropped: 11, age: 50 }), true)
  assert.equal(isOverloaded({ published: 10, dropped: 0, age: 100 }), false)
  assert.equal(isOverloaded({ published: 10, dropped: 0, age: 101 }), true)
  const isCalm = (second: LoadSample) => {
    const policy = new OverloadPolicy()
    seconds(policy, LATE, 2)
    return seconds(policy, second, 20) === 10
  }
  assert.equal(isCalm({ published: 100, dropped: 0, age: 59 }), true)
  assert.equal(isCalm({ published: 100, dropped: 0, age: 60 }), false)
  assert.equal(isCalm({ published: 100, dropped: 1, age: 59 }), false)
})

test('a step back that lasted longer than its wait is no failed attempt', () => {
  const policy = new OverloadPolicy()
  seconds(policy, LATE, 2)
  assert.equal(seconds(policy, GOOD, 100), 10)
  seconds(policy, LATE, 2)
  assert.equal(seconds(policy, GOOD, 100), 20, 'it failed at once')
  seconds(policy, { ...GOOD, age: 80 }, 30)
  seconds(policy, LATE, 2)
  assert.equal(seconds(policy, GOOD, 100), 10, 'it lasted 30 s')
})

test('every second is judged by its own frames, and each change is emitted once', (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] })
  using control = new OverloadControl(createLogger('test', { write() {} }))
  const reductions: unknown[] = []
  control.on('change', (reduction) => reductions.push(reduction))
  control.detecting = true
  control.start()
  const second = (age: number, dropped = 0) => {
    for (let i = 0; i < 15; i++) control.published({ age, encoding: 5 })
    for (let i = 0; i < dropped; i++) control.dropped()
    t.mock.timers.tick(1_000)
  }
  second(130)
  second(20)
  second(130)
  assert.deepEqual(reductions, [])
  second(130)
  assert.deepEqual(reductions, [{ detection: 0.5, steps: 0 }])
  second(20, 5)
  second(20, 5)
  assert.deepEqual(reductions.at(-1), { detection: 0.2, steps: 0 })
  assert.equal(control.summary.level, 2)
  for (let i = 0; i < 10; i++) second(20)
  assert.equal(control.summary.level, 1)
  assert.equal(reductions.length, 3)
})

test('after its end nothing is measured', (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] })
  const control = new OverloadControl(createLogger('test', { write() {} }))
  const reductions: unknown[] = []
  control.on('change', (reduction) => reductions.push(reduction))
  control.start()
  control[Symbol.dispose]()
  for (let i = 0; i < 5; i++) {
    control.published({ age: 500, encoding: 5 })
    t.mock.timers.tick(1_000)
  }
  assert.deepEqual(reductions, [])
})

test('seconds without video change nothing but end the reduction after five, once', () => {
  const policy = new OverloadPolicy()
  const idle: LoadSample = { published: 0, dropped: 0, age: 0 }
  for (let i = 0; i < 4; i++) policy.update(LATE, true)
  const { level } = policy
  assert.ok(level > 0)
  const changes = Array.from({ length: 60 }, () => policy.update(idle, true))
  assert.deepEqual([changes.indexOf(true), changes.filter(Boolean).length, policy.level], [4, 1, 0])
})
