import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { FrameWatchdog } from '#services/vision/camera/frame-watchdog.ts'
import { fakeNow } from '#test/helpers/fake-clock.ts'

/** A watchdog on a mocked clock, and the reason it gave up with. */
function watch(t: TestContext, mayBeSlow = true) {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  let now = 0
  fakeNow(t, () => now)
  const reasons: string[] = []
  const watchdog = new FrameWatchdog({ mayBeSlow }, (reason) => reasons.push(reason))
  t.after(() => watchdog[Symbol.dispose]())
  const pass = (ms: number) => {
    now += ms
    t.mock.timers.tick(ms)
  }
  return { watchdog, reasons, pass }
}

test('a camera with a frame every 10 s is slow, not lost, and its interval is known', (t) => {
  const { watchdog, reasons, pass } = watch(t)
  for (let i = 0; i < 10; i++) {
    watchdog.frame()
    pass(10_000)
  }
  assert.deepEqual(reasons, [])
  assert.equal(watchdog.interval, 10_000)
  pass(25_001)
  assert.deepEqual(reasons, ['no frame for 30 s'])
})

test('a camera at 15 fps that stops is lost after 2 s', (t) => {
  const { watchdog, reasons, pass } = watch(t)
  for (let i = 0; i < 10; i++) {
    watchdog.frame()
    pass(66)
  }
  pass(1_900)
  assert.deepEqual(reasons, [])
  pass(100)
  assert.deepEqual(reasons, ['no frame for 2 s'])
})

test('a local camera is lost 2 s after its only frame, a network camera after 12 s', (t) => {
  for (const [mayBeSlow, seconds] of [
    [false, 2],
    [true, 12],
  ] as const) {
    const { watchdog, reasons, pass } = watch(t, mayBeSlow)
    watchdog.frame()
    pass(seconds * 1_000)
    assert.deepEqual(reasons, [`no frame for ${seconds} s`])
    t.mock.timers.reset()
    t.mock.restoreAll()
  }
})

test('the first frame is awaited while data arrives, up to 60 s', (t) => {
  const { watchdog, reasons, pass } = watch(t)
  for (let i = 0; i < 24; i++) {
    watchdog.data()
    pass(1_000)
  }
  assert.deepEqual(reasons, [], 'joined in the middle of a GOP of 24 s')
  for (let i = 24; i < 60; i++) {
    watchdog.data()
    pass(1_000)
  }
  assert.deepEqual(reasons, ['data, but no frame for 60 s'])
})

test('a source without data is lost after 10 s', (t) => {
  const { reasons, pass } = watch(t)
  pass(9_999)
  assert.deepEqual(reasons, [])
  pass(1)
  assert.deepEqual(reasons, ['no first frame within 10 s'])
})
