import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createPacer } from '#lib/media/pacer.ts'

test('small delays are caught up, so that a clip does not drift', () => {
  let now = 1000
  const pacer = createPacer(1000, () => now)
  assert.equal(pacer.until(100), 100)
  now = 1130
  assert.equal(pacer.until(100), 0)
  assert.equal(pacer.until(200), 70)
})

test('after a long pause the clip continues at its own rate', () => {
  let now = 0
  const pacer = createPacer(0, () => now)
  now = 10_000
  assert.equal(pacer.until(100), 0)
  assert.equal(pacer.until(200), 100)
})

test('timestamps that jump in either direction neither stop nor speed up the video', () => {
  let now = 0
  const pacer = createPacer(0, () => now)
  for (const [jump, pause] of [
    [600_000, 1_000],
    [-600_000, 0],
  ] as const) {
    assert.equal(pacer.until(100 + jump), pause)
    now += pause
    assert.equal(pacer.until(140 + jump), 40)
    now += 40
    assert.equal(pacer.until(180 + jump), 40)
    now += 40
    assert.equal(pacer.until(180 + jump), 0)
  }
})

test('frames that are minutes apart come once a second: often enough for a camera, and not at full speed', () => {
  let now = 0
  const pacer = createPacer(0, () => now)
  assert.equal(pacer.until(0), 0)
  for (let minute = 1; minute <= 5; minute++) {
    const wait = pacer.until(minute * 60_000)
    assert.equal(wait, 1_000)
    now += wait
  }
})
