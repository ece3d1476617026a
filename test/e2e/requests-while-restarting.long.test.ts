import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { topics } from '#bus/topics.ts'
import { startStack } from '#dev/harness/stack.ts'
import { openApp } from '#test/helpers/app.ts'
import { closeAfter } from '#test/helpers/close-after.ts'

const RESTARTS = 20
const REQUESTS = 50
/** From a kill to the last moment of a request: webrtc is back after about 1 s. */
const SPREAD_MS = 2_500
/** From webrtc's `online`, or from the request if that is later, to the offer or the error, ms. */
const LIMIT_MS = 1_000

test('50 video requests during 20 restarts of webrtc: each has an offer or an error within 1 s of its return', {
  timeout: 600_000,
}, async (t) => {
  const stack = await startStack({
    vision: { source: { type: 'synthetic' }, detector: { enabled: false } },
    webrtc: { stun_servers: [], max_connections: 16 },
  })
  closeAfter(t, () => stack[Symbol.asyncDispose]())
  const observer = await stack.join('observer')
  /** When webrtc has become online, in the time of performance.now(). */
  const online: number[] = []
  await observer.subscribe(
    topics.serviceState,
    ({ state }, { retained }) => {
      if (state === 'online' && !retained) online.push(performance.now())
    },
    { service: 'webrtc' },
  )
  const delays: number[] = []
  const answers: Record<string, number> = {}
  const request = async (after: number) => {
    await sleep(after)
    const app = await openApp(stack.relayPort)
    const requestedAt = performance.now()
    app.send({ type: 'webrtc_request' })
    const { type } = await app.frame(
      (frame) => frame.type === 'webrtc_offer' || frame.type === 'webrtc_error',
      20_000,
    )
    const answeredAt = performance.now()
    app[Symbol.dispose]()
    answers[String(type)] = (answers[String(type)] ?? 0) + 1
    return { requestedAt, answeredAt }
  }
  let requests = 0
  for (let restart = 1; restart <= RESTARTS; restart++) {
    const share = Math.round((REQUESTS * restart) / RESTARTS) - requests
    requests += share
    // some before the kill, some while it is away, some after its return
    const running = Array.from({ length: share }, () => request(Math.random() * SPREAD_MS))
    await sleep(SPREAD_MS / 5)
    const killedAt = performance.now()
    await stack.kill('webrtc')
    for (const { requestedAt, answeredAt } of await Promise.all(running)) {
      if (answeredAt < killedAt) continue
      const back = online.find((at) => at > killedAt) ?? killedAt
      delays.push(Math.round(answeredAt - Math.max(requestedAt, back)))
    }
  }
  delays.sort((a, b) => a - b)
  t.diagnostic(`${requests} requests: ${JSON.stringify(answers)}`)
  t.diagnostic(
    `${delays.length} answered after a kill; latest ${delays.slice(-5).join(', ')} ms after webrtc`,
  )
  assert.equal(requests, REQUESTS)
  assert.ok((delays.at(-1) ?? 0) <= LIMIT_MS)
})
