import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { FrameQueue } from '#services/relay-bridge/signaling/frame-queue.ts'
import { fakeNow } from '#test/helpers/fake-clock.ts'

const CHARS = 100

/** No turn ends because this machine is slow. */
const stopClock = (t: TestContext) => fakeNow(t, () => 0)

test('a few frames are handled at once, in order', (t) => {
  stopClock(t)
  const queue = new FrameQueue({ connected: true })
  const handled: number[] = []
  for (let i = 0; i < 3; i++) queue.push(CHARS, async () => void handled.push(i))
  assert.deepEqual(handled, [0, 1, 2])
})

test('a slow broker gets 32 messages at a time; the others wait, and follow in order', async (t) => {
  stopClock(t)
  const queue = new FrameQueue({ connected: true })
  const handled: number[] = []
  const delivered = Promise.withResolvers<void>()
  for (let i = 0; i < 100; i++) {
    queue.push(CHARS, () => {
      handled.push(i)
      return delivered.promise
    })
  }
  await nextTurn()
  assert.equal(handled.length, 32)
  delivered.resolve()
  await turnsUntil(() => handled.length === 100)
  assert.deepEqual(
    handled,
    Array.from({ length: 100 }, (_, i) => i),
  )
})

test('a stop that arrives behind large frames waits for one of them on the way to the broker', async (t) => {
  stopClock(t)
  const queue = new FrameQueue({ connected: true })
  const deliver: (() => void)[] = []
  for (let i = 0; i < 3; i++) queue.push(200_000, () => new Promise((resolve) => deliver.push(resolve)))
  assert.equal(deliver.length, 1)
  for (let sent = 1; sent <= 3; sent++) {
    deliver[sent - 1]?.()
    await turnsUntil(() => deliver.length === Math.min(sent + 1, 3))
  }
})

test('without a bus no frame waits for an earlier one', (t) => {
  stopClock(t)
  const queue = new FrameQueue({ connected: false })
  let handled = 0
  for (let i = 0; i < 100; i++) {
    queue.push(CHARS, () => {
      handled++
      return new Promise(() => {})
    })
  }
  assert.equal(handled, 100)
})

test('frames that take long leave the event loop to others in between', async (t) => {
  let now = 0
  fakeNow(t, () => now)
  const queue = new FrameQueue({ connected: true })
  let handled = 0
  for (let i = 0; i < 10; i++) {
    queue.push(CHARS, () => {
      handled++
      now += 3
      return Promise.resolve()
    })
  }
  assert.equal(handled, 2)
  await nextTurn()
  await nextTurn()
  assert.ok(handled > 2 && handled < 10, `${handled}`)
  await turnsUntil(() => handled === 10)
})

test('what waits is bounded in frames and characters', (t) => {
  stopClock(t)
  const queue = new FrameQueue({ connected: true })
  const push = (size: number) => queue.push(size, () => new Promise(() => {}))
  for (let i = 0; i < 32; i++) assert.ok(push(CHARS))
  assert.ok(push(15 * 2 ** 20))
  assert.ok(!push(2 * 2 ** 20))
  let waiting = 1
  while (push(1)) waiting++
  assert.equal(waiting, 6_000)
})

/** The clock of these tests stands still, so the limit is a number of turns of the event loop. */
async function turnsUntil(condition: () => boolean): Promise<void> {
  for (let turns = 0; !condition(); turns++) {
    assert.ok(turns < 1_000, `not within ${turns} turns of the event loop: ${condition}`)
    await nextTurn()
  }
}
