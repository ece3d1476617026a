import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { Bus } from '#bus/bus.ts'
import { topics } from '#bus/topics.ts'
import { collect } from '#dev/harness/collect.ts'
import { createLogger } from '#lib/logger.ts'
import { PendingRequests } from '#services/relay-bridge/signaling/pending-requests.ts'
import { fakeRelay } from '#test/helpers/fake-relay.ts'
import { online, startBridge } from '../bridge.ts'

const OFFER = { type: 'offer', sdp: 'v=0\r\n' } as const

/** A bridge whose relay connection is online, and what it publishes for webrtc. */
async function start(t: TestContext, options: Parameters<typeof startBridge>[2] = {}) {
  const relay = await fakeRelay(t)
  const started = await startBridge(t, relay, options)
  const requests = await collect(started.robot, topics.request)
  const states = await collect(started.robot, topics.serviceState, { service: 'webrtc' })
  const socket = await relay.robot()
  await started.link.next(online)
  const request = (session_id: string, ice_servers: unknown = null) =>
    socket.send({ type: 'webrtc_request', session_id, ice_servers })
  /** All frames before this are handled. */
  const handled = async () => {
    const marks = await collect(started.robot, topics.cloud, { type: 'mark' })
    socket.send({ type: 'mark' })
    await marks.next()
  }
  return { ...started, requests, states, socket, request, handled }
}

test('a request while webrtc restarts reaches it when it serves, the newest of each session', async (t) => {
  const { memory, robot, requests, states, request, handled } = await start(t)
  const first = await memory.connect('webrtc')
  await states.next({ where: ({ state }) => state === 'online' })
  await first[Symbol.asyncDispose]()
  await states.next({ where: ({ state }) => state === 'offline' })
  request('A', [{ urls: 'stun:old.example' }])
  request('B')
  request('A', [{ urls: 'stun:new.example' }])
  await handled()
  assert.deepEqual(requests.all, [])
  const second = await memory.connect('webrtc', { announce: 'when-serving' })
  const received = await collect(second, topics.request)
  second.serving()
  const payloads = [(await received.next()).payload, (await received.next()).payload]
  assert.deepEqual(payloads, [
    { session_id: 'B', ice_servers: null },
    { session_id: 'A', ice_servers: [{ urls: 'stun:new.example' }] },
  ])
  // answered or closed: not repeated at the next restart
  await second.publish(topics.offer, { session_id: 'A', sdp: OFFER })
  await second.publish(topics.closed, { session_id: 'B', reason: 'ice-failed', by: 'robot' })
  await robot.publish(topics.offer, { session_id: 'mark', sdp: OFFER })
  await second[Symbol.asyncDispose]()
  await memory.connect('webrtc')
  await states.next({ where: ({ state }) => state === 'online' })
  await handled()
  assert.equal(received.all.length, 2)
  assert.equal(requests.all.length, 2)
})

test('a request that a killed webrtc has received reaches the next one, a withdrawn one does not', async (t) => {
  const { memory, requests, states, socket, request, handled } = await start(t)
  const first = await memory.connect('webrtc')
  await states.next({ where: ({ state }) => state === 'online' })
  request('A')
  request('B')
  await requests.next({ where: ({ session_id }) => session_id === 'B' })
  socket.send({ type: 'webrtc_close', session_id: 'B' })
  await handled()
  await first[Symbol.asyncDispose]()
  const second = await memory.connect('webrtc', { announce: 'when-serving' })
  const received = await collect(second, topics.request)
  second.serving()
  assert.equal((await received.next()).payload.session_id, 'A')
  await handled()
  assert.equal(received.all.length, 1)
})

test('a request without an answer is rejected after 10 s with the reason', (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const bus = { onConnect: () => ({ [Symbol.dispose]() {} }), publish: async () => {} } as unknown as Bus
  const log = createLogger('test', { write() {} })
  using requests = new PendingRequests({ bus, log, videoEnabled: true })
  const failed: unknown[][] = []
  requests.on('failed', (...args) => failed.push(args))
  void requests.request({ session_id: 'A', ice_servers: null })
  t.mock.timers.tick(9_999)
  assert.deepEqual(failed, [])
  t.mock.timers.tick(1)
  assert.deepEqual(failed, [['A', 'the video service does not answer']])
})

test('with webrtc.enabled false a request is rejected at once', async (t) => {
  const { requests, socket, request } = await start(t, { video: false })
  request('A')
  const error = await socket.next(({ type }) => type === 'webrtc_error')
  assert.equal(error.session_id, 'A')
  assert.match(String(error.error), /disabled/)
  assert.deepEqual(requests.all, [])
})
