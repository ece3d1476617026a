import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { PROJECT_ROOT } from '#lib/version.ts'

const { DayItems } = await import(join(PROJECT_ROOT, 'dev/relay/page/history/day-items.js'))

test('a day that cannot be loaded is loaded again, and not after another one was chosen', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout', 'setInterval'] })
  const requested: number[] = []
  const errors: string[] = []
  const answers: (() => Promise<object>)[] = [
    () => Promise.reject(new Error('the recorder is not running')),
    () => Promise.resolve({ items: [{ type: 'event', n: 1, at: 5, end: null }], next: null, total: 1 }),
    () => Promise.reject(new Error('again')),
    () => Promise.resolve({ items: [], next: null, total: 0 }),
  ]
  const api = {
    items({ from }: { from: number }) {
      requested.push(from)
      return answers.shift()?.() ?? Promise.reject(new Error('one request too many'))
    },
  }
  const found = new DayItems({
    api,
    onChange() {},
    onError: (err: Error) => void errors.push(err.message),
  })
  await found.load({ from: 1, to: 2 })
  assert.deepEqual([errors, found.items.length], [['the recorder is not running'], 0])
  t.mock.timers.tick(10_000)
  await new Promise(setImmediate)
  assert.deepEqual([found.total, found.items.length], [1, 1])
  await found.load({ from: 3, to: 4 })
  await found.load({ from: 5, to: 6 })
  t.mock.timers.tick(60_000)
  await new Promise(setImmediate)
  assert.deepEqual(requested, [1, 1, 3, 5])
})
