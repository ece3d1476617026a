import assert from 'node:assert/strict'
import { test } from 'node:test'
import { releaseMemory } from '#broker/limits/memory-release.ts'

const MIB = 2 ** 20

test('memory that has grown is collected, at most once in five seconds', (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] })
  let rss = 100 * MIB
  const collections: number[] = []
  let seconds = 0
  let received = 0
  const collect = () => {
    collections.push(seconds)
    rss -= 20 * MIB
  }
  using _release = releaseMemory({ received: () => received, rss: () => rss, collect })
  const advance = () => {
    seconds += 0.5
    t.mock.timers.tick(500)
  }
  while (seconds < 20) advance()
  assert.deepEqual(collections, [], 'not while it is flat')
  rss += 39 * MIB
  received += 100 * MIB
  advance()
  assert.deepEqual(collections, [])
  // from here on 10 MiB more in each half second
  while (seconds < 40) {
    rss += 10 * MIB
    received += 10 * MIB
    advance()
  }
  assert.deepEqual(collections, [21, 26, 31, 36])
})

test('the growth counts from the lowest level, not from the peak of a start', (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] })
  let rss = 200 * MIB
  let collections = 0
  let received = 0
  using _release = releaseMemory({
    received: () => received,
    rss: () => rss,
    collect: () => {
      collections++
    },
  })
  t.mock.timers.tick(5_000)
  rss = 100 * MIB
  t.mock.timers.tick(500)
  rss = 150 * MIB
  received = 50 * MIB
  t.mock.timers.tick(500)
  assert.equal(collections, 1)
})

test('memory of clients that send little is not collected: nothing is garbage', (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] })
  let rss = 100 * MIB
  let received = 0
  let collections = 0
  using _release = releaseMemory({
    received: () => received,
    rss: () => rss,
    collect: () => {
      collections++
    },
  })
  for (let i = 0; i < 100; i++) {
    rss += MIB
    received += 0.3 * MIB
    t.mock.timers.tick(500)
  }
  assert.equal(collections, 0)
})
