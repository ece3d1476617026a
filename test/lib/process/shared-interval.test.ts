import assert from 'node:assert/strict'
import test from 'node:test'
import { everyShared } from '#lib/process/shared-interval.ts'

test('all callbacks of one interval run together, from its next tick on, until each is disposed', (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] })
  const calls: string[] = []
  const first = everyShared(100, () => calls.push('first'))
  t.mock.timers.tick(60)
  const second = everyShared(100, () => {
    calls.push('second')
    third[Symbol.dispose]()
  })
  const third = everyShared(100, () => calls.push('third'))
  using _ = everyShared(1_000, () => calls.push('other'))
  t.mock.timers.tick(40)
  assert.deepEqual(calls.splice(0), ['first', 'second'], 'the third was disposed in that tick')
  first[Symbol.dispose]()
  first[Symbol.dispose]()
  t.mock.timers.tick(100)
  assert.deepEqual(calls.splice(0), ['second'])
  second[Symbol.dispose]()
  using _again = everyShared(100, () => calls.push('again'))
  t.mock.timers.tick(99)
  assert.deepEqual(calls, [], 'the interval had ended, and starts again')
  t.mock.timers.tick(1)
  assert.deepEqual(calls, ['again'])
})

test('a callback that throws does not stop the others', (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] })
  const thrown: unknown[] = []
  t.mock.method(process, 'nextTick', (rethrow: () => void) => {
    try {
      rethrow()
    } catch (err) {
      thrown.push(err)
    }
  })
  let calls = 0
  using _bad = everyShared(10, () => {
    throw new Error('bad')
  })
  using _good = everyShared(10, () => calls++)
  t.mock.timers.tick(20)
  assert.equal(calls, 2)
  assert.equal(thrown.length, 2)
})
