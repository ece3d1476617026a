import assert from 'node:assert/strict'
import test from 'node:test'
import { topics } from '#bus/topics.ts'
import { collect } from '#dev/harness/collect.ts'
import { type Memory, watchMemory } from '#services/webrtc/session/memory-watch.ts'
import { startRobot } from '../robot.ts'
import { openViewer } from '../viewer.ts'

const SHORT: Memory = { available: 3, total: 100 }
const ENOUGH: Memory = { available: 50, total: 100 }

/** Lets it look at these, one after another; returns after which of them it said that memory is scarce. */
async function watch(readings: Memory[]): Promise<number[]> {
  const said: number[] = []
  const { promise, resolve } = Promise.withResolvers<void>()
  let at = 0
  using _watching = watchMemory(
    () => void said.push(at),
    1,
    () => {
      const reading = readings[at++]
      if (!reading) resolve()
      return reading ?? ENOUGH
    },
  )
  const alive = setTimeout(() => undefined, 10_000)
  await promise
  clearTimeout(alive)
  return said
}

test('memory counts as low after three low checks in a row, a peak does not (P27)', async () => {
  assert.deepEqual(await watch([SHORT, SHORT, ENOUGH, SHORT, SHORT, ENOUGH]), [])
  assert.deepEqual(await watch([ENOUGH, SHORT, SHORT, SHORT, SHORT, ENOUGH]), [4])
  assert.deepEqual(await watch(Array.from({ length: 7 }, () => SHORT)), [3, 6])
})

test('when memory is low the oldest of several sessions ends with a reason, the last one stays (P27)', async (t) => {
  let reading = ENOUGH
  const { bus, camera } = await startRobot(t, {}, { memory: 10 }, { readMemory: () => reading })
  camera.roll()
  const closed = await collect(bus, topics.closed)
  const [one, two] = [await openViewer(t, bus, 'one'), await openViewer(t, bus, 'two')]
  for (const viewer of [one, two]) await viewer.until(({ video }) => video.length > 0)
  reading = SHORT
  assert.deepEqual((await closed.next()).payload, { session_id: 'one', reason: 'out-of-memory', by: 'robot' })
  const before = two.video.length
  await two.until(({ video }) => video.length > before + 20)
  assert.equal(closed.all.length, 1)
})
