import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TokenBucket } from '#lib/token-bucket.ts'

test('a burst passes at once, then one for each interval', () => {
  const bucket = new TokenBucket(3, 2)
  assert.deepEqual(
    [0, 0, 0, 0, 499, 500, 501].map((now) => bucket.take(1, now)),
    [true, true, true, false, false, true, false],
  )
  assert.equal(bucket.wait(1, 501), 499)
  assert.equal(bucket.wait(2, 501), 999)
})

test('an unused bucket holds one burst and no more', () => {
  const bucket = new TokenBucket(2, 1)
  const taken = [0, 1, 2].map(() => bucket.take(1, 3_600_000))
  assert.deepEqual(taken, [true, true, false])
})

test('what has happened elsewhere is charged, down to one burst of debt', () => {
  const bucket = new TokenBucket(2, 1)
  for (let i = 0; i < 100; i++) bucket.charge(1, 0)
  assert.equal(bucket.wait(1, 0), 3_000)
  assert.equal(bucket.take(1, 2_999), false)
  assert.equal(bucket.take(1, 3_000), true)
})

test('the rate may change while the bucket fills', () => {
  let rate = 0.001
  const bucket = new TokenBucket(10, () => rate)
  assert.equal(bucket.take(10, 0), true)
  assert.equal(bucket.take(1, 1_000), false)
  rate = 10
  assert.equal(bucket.take(1, 1_100), true)
})
