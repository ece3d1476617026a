import assert from 'node:assert/strict'
import test from 'node:test'
import { topics } from '#bus/topics.ts'
import { collect } from '#dev/harness/collect.ts'
import { closeAfter } from '#test/helpers/close-after.ts'
import { rounds } from '#test/helpers/volume.ts'
import { startServiceProcess } from '../service-process.ts'
import { openViewer } from '../viewer.ts'

const WARM_UP = 30
/** A leak of one object in each session shows in 100. */
const CYCLES = rounds({ merge: 100, night: 300 })
/** Bytes. */
const MAX_GROWTH = 20 * 2 ** 20

/** A TURN server that never answers, so that every session leaves in the middle of gathering. */
const DEAD = [
  { urls: ['stun:127.0.0.1:9', 'turn:127.0.0.1:9?transport=udp'], username: 'robot', credential: 'secret' },
]

const median = (values: number[]) => values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0
const MB = (bytes: number) => Math.round(bytes / 2 ** 20)

test(`${CYCLES} short sessions leave no socket, timer, listener or memory behind, and slow nothing down (C03, D01, D02)`, {
  timeout: 600_000,
}, async (t) => {
  const service = await startServiceProcess()
  closeAfter(t, () => service[Symbol.asyncDispose]())
  const { bus, camera, measure } = service
  camera.roll()
  const closed = await collect(bus, topics.closed)
  const offers = await collect(bus, topics.offer)
  let times: number[] = []
  const watch = async (i: number) => {
    const id = `viewer-${i}`
    const begun = performance.now()
    const viewer = await openViewer({ after: () => undefined }, bus, id, { iceServers: DEAD })
    await offers.next({ where: ({ session_id }) => session_id === id })
    times.push(performance.now() - begun)
    // every third goes before it is connected
    if (i % 3 !== 0) await viewer.until(({ video }) => video.length > 0, 10_000)
    await bus.publish(topics.close, { session_id: id, reason: 'enough' })
    await closed.next({ where: ({ session_id }) => session_id === id })
    await viewer.close()
    for (const collected of [offers.all, closed.all]) collected.length = 0
  }
  const settled = async () => {
    await new Promise((resolve) => setTimeout(resolve, 2_000))
    return await measure()
  }
  for (let i = 0; i < WARM_UP; i++) await watch(i)
  const before = await settled()
  times = []
  for (let i = 0; i < CYCLES; i++) {
    await watch(WARM_UP + i)
    if (i % 50 === 49) {
      const { rss, heap } = await measure()
      t.diagnostic(`after ${i + 1}: RSS ${MB(rss)} MB, heap ${MB(heap)} MB`)
    }
  }
  const after = await settled()
  const [first, last] = [median(times.slice(0, 20)), median(times.slice(-20))]
  t.diagnostic(`offer: first 20 ${first.toFixed(1)} ms, last 20 ${last.toFixed(1)} ms (median)`)
  t.diagnostic(
    `RSS ${MB(before.rss)} to ${MB(after.rss)} MB, heap ${MB(before.heap)} to ${MB(after.heap)} MB`,
  )
  t.diagnostic(JSON.stringify({ before: before.resources, after: after.resources }))
  for (const [kind, count] of Object.entries(after.resources)) {
    const earlier = before.resources[kind] ?? 0
    assert.ok(count <= earlier + 2, `${kind}: ${earlier}, then ${count}`)
  }
  assert.ok(after.rss - before.rss <= MAX_GROWTH, `${MB(after.rss - before.rss)} MB more`)
  // two milliseconds are the noise of two processes and a broker
  assert.ok(last <= 1.2 * first + 2, `${last} ms after ${first} ms`)
})
