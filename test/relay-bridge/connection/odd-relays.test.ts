import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { topics } from '#bus/topics.ts'
import { collect } from '#dev/harness/collect.ts'
import { staysTrue } from '#dev/harness/until.ts'
import { fakeRelay } from '#test/helpers/fake-relay.ts'
import { online, startBridge } from '../bridge.ts'

const isEvent = ({ event }: Record<string, unknown>) => event === 'bark'

test('a slow relay keeps its connection, and events are stored until it has answered (A25)', async (t) => {
  const relay = await fakeRelay(t)
  const { robot, link } = await startBridge(t, relay, { times: { ping: 50, pong: 1_000 } })
  const socket = await relay.robot()
  await link.next(online)
  socket.answersPings = false
  await robot.publish(topics.event, {}, { name: 'bark' })
  await socket.next(isEvent)
  await socket.next(({ type }) => type === 'ping')
  await staysTrue(() => socket.socket.readyState === socket.socket.OPEN, 1_500)
  assert.equal(link.all.at(-1)?.payload.outbox.depth, 1)
  socket.send({ type: 'pong' })
  await link.next({ where: ({ outbox }) => outbox.depth === 0 })
})

test('unsolicited pongs delete no event', async (t) => {
  const relay = await fakeRelay(t)
  const { robot, link } = await startBridge(t, relay)
  const first = await relay.robot()
  await link.next(online)
  for (let i = 0; i < 50; i++) first.send({ type: 'pong' })
  first.answersPings = false
  await robot.publish(topics.event, { n: 1 }, { name: 'bark' })
  await first.next(isEvent)
  first.socket.terminate()
  const second = await relay.robot()
  await second.next(isEvent)
})

test('a flood of frames neither delays a stop nor fills the queue of commands', {
  timeout: 60_000,
}, async (t) => {
  const relay = await fakeRelay(t)
  const { robot, link } = await startBridge(t, relay)
  const stops = await collect(robot, topics.command, { name: 'emergency_stop' })
  const socket = await relay.robot()
  await link.next(online)
  for (let i = 0; i < 20_000; i++) socket.send(`{"command":"led","n":${i}}`)
  socket.send({ command: 'emergency_stop' })
  await stops.next({ within: 30_000 })
  assert.equal(socket.socket.readyState, socket.socket.OPEN)
})

test('a wait that is not a number of seconds does not keep the robot away', async (t) => {
  const answers = ['1e9', '0x1000', 'Infinity', '-1', '1e3, 5', ' ', '']
  const server = createServer()
  let asked = 0
  server.on('upgrade', (_request, socket) => {
    const header = `Retry-After: ${answers[asked++ % answers.length]}`
    socket.end(`HTTP/1.1 503 Busy\r\n${header}\r\nContent-Length: 0\r\n\r\n`)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  const url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}/`
  const { link } = await startBridge(t, { url })
  for (let i = 0; i < 4; i++) {
    const { payload } = await link.next({
      where: ({ next_retry_ms }) => (next_retry_ms ?? 0) > 0,
      within: 20_000,
    })
    assert.ok((payload.next_retry_ms ?? 0) <= 5_000, `${payload.next_retry_ms}`)
  }
})
