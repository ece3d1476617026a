import assert from 'node:assert/strict'
import { test } from 'node:test'
import { collectStartupGarbage } from '#lib/process/startup-garbage.ts'

test('the pages of what nothing refers to return to the system', () => {
  let garbage: object[] = []
  for (let i = 0; i < 400_000; i++) garbage.push({ i })
  const full = process.memoryUsage().heapTotal
  assert.equal(garbage.length, 400_000)
  garbage = []
  collectStartupGarbage()
  const saved = full - process.memoryUsage().heapTotal
  assert.ok(saved > 10_000_000, `${saved} bytes`)
  assert.equal(globalThis.gc, undefined)
})
