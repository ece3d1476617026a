import assert from 'node:assert/strict'
import test from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { topics } from '#bus/topics.ts'
import { collect } from '#test/helpers/collect.ts'
import { startRobot } from './robot.ts'
import { openViewer } from './viewer.ts'

/** A TURN server that never answers, so that every session leaves in the middle of gathering. */
const DEAD = [
  { urls: ['stun:127.0.0.1:9', 'turn:127.0.0.1:9?transport=udp'], username: 'robot', credential: 'secret' },
]

setFlagsFromString('--expose-gc')
const collectGarbage: () => void = runInNewContext('gc')

function resources(): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const kind of process.getActiveResourcesInfo()) counts[kind] = (counts[kind] ?? 0) + 1
  return counts
}

const median = (values: number[]) => values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0

test('100 viewers that come and go leave no socket, timer or memory behind, and slow nothing down', async (t) => {
  const { bus, camera } = await startRobot(t)
  camera.roll()
  const closed = await collect(bus, topics.closed)
  const offers = await collect(bus, topics.offer)
  const times: number[] = []
  const watch = async (i: number) => {
    const id = `viewer-${i}`
    const begun = performance.now()
    const viewer = await openViewer({ after: () => undefined }, bus, id, { iceServers: DEAD })
    await offers.next({ where: ({ session_id }) => session_id === id })
    times.push(performance.now() - begun)
    if (i % 2 === 0) await viewer.until(({ video }) => video.length > 0)
    await bus.publish(topics.close, { session_id: id, reason: 'enough' })
    await closed.next({ where: ({ session_id }) => session_id === id })
    await viewer.close()
  }
  const settle = async () => {
    await new Promise((resolve) => setTimeout(resolve, 1_500))
    collectGarbage()
    collectGarbage()
    // not RSS: what V8 and malloc keep for later says nothing of a leak
    const { heapUsed, external } = process.memoryUsage()
    return { memory: (heapUsed + external) / 2 ** 20, resources: resources() }
  }
  for (let i = 0; i < 20; i++) await watch(i)
  const before = await settle()
  for (let i = 20; i < 120; i++) await watch(i)
  const after = await settle()
  t.diagnostic(
    JSON.stringify({ before, after, first: median(times.slice(5, 25)), last: median(times.slice(-20)) }),
  )
  for (const [kind, count] of Object.entries(after.resources)) {
    const earlier = before.resources[kind] ?? 0
    assert.ok(count <= earlier + 2, `${kind}: ${earlier}, then ${count}`)
  }
  assert.ok(after.memory - before.memory < 10, `${Math.round(after.memory - before.memory)} MB more`)
  assert.ok(median(times.slice(-20)) < 2 * median(times.slice(5, 25)) + 20)
})
