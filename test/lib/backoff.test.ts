import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { createBackoff } from '#lib/backoff.ts'

test('delays stay between the minimum and the doubling limit, and restart after a reset', () => {
  fc.assert(
    fc.property(fc.double({ min: 0, max: 0.999, noNaN: true }), (luck) => {
      const backoff = createBackoff({ first: 100, cap: 1_000, least: 10, random: () => luck })
      for (const limit of [100, 200, 400, 800, 1_000, 1_000]) {
        assert.equal(backoff.next(), Math.max(10, luck * limit))
      }
      backoff.reset()
      assert.equal(backoff.next(), Math.max(10, luck * 100))
    }),
  )
})
