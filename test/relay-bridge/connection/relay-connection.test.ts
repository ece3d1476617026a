import assert from 'node:assert/strict'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { topics } from '#bus/topics.ts'
import { collect } from '#dev/harness/collect.ts'
import { TEST_SECRET } from '#dev/harness/secrets.ts'
import { staysTrue, until } from '#dev/harness/until.ts'
import { createLogger } from '#lib/logger.ts'
import { createLookup } from '#services/relay-bridge/connection/dns-fallback.ts'
import { LastConnection } from '#services/relay-bridge/connection/last-connection-state.ts'
import { fakeRelay, type RobotSocket } from '#test/helpers/fake-relay.ts'
import { temporaryFolder } from '#test/helpers/folder.ts'
import { memoryBus } from '#test/helpers/memory-bus.ts'
import { online, startBridge } from '../bridge.ts'

const isWaiting = { where: ({ state }: { state: string }) => state === 'waiting', within: 5_000 }
/** Soon, and with as much time for the answer as a busy machine needs. */
const CHECK_SOON = { checkTimes: { delay: 100, answer: 10_000 } }

/** A bridge whose first connection ended without a close frame, and its second one. */
async function afterUncleanLoss(
  t: TestContext,
  knows: string[] | undefined,
  lose = ({ socket }: RobotSocket) => socket.terminate(),
  times = {},
) {
  const relay = await fakeRelay(t)
  relay.knows = knows
  const { robot, link } = await startBridge(t, relay, { ...CHECK_SOON, times })
  const first = await relay.robot()
  await link.next(online)
  lose(first)
  const second = await relay.robot()
  await link.next(online)
  return { relay, robot, link, second }
}

test('a relay that does not list the robot after an unclean loss is redialed once, with a close frame', async (t) => {
  const { relay, robot, second } = await afterUncleanLoss(t, ['another_robot'])
  const commands = await collect(robot, topics.command, { name: 'treat' })
  const [code] = await once(second.socket, 'close')
  assert.equal(code, 1000)
  const third = await relay.robot()
  third.send({ command: 'treat' })
  await commands.next()
  await staysTrue(() => relay.attempts.length === 3, 1_000)
})

test('a relay without a list of robots is redialed after a half-open connection', async (t) => {
  const pong = { ping: 50, pong: 700 }
  const { relay } = await afterUncleanLoss(t, undefined, ({ socket }) => socket.pause(), pong)
  await relay.robot()
})

test('a relay that lists the robot is asked again and again, and not redialed', async (t) => {
  const { relay } = await afterUncleanLoss(t, ['wimz_robot_99'])
  await until(() => relay.listings >= 3)
  assert.equal(relay.attempts.length, 2)
})

test('a new process holds off after an attempt that ended unregistered, and after no other', async (t) => {
  const path = `${temporaryFolder(t)}/last.json`
  const log = createLogger('test', { write() {} })
  const load = () => LastConnection.load(path, log)
  const first = await load()
  assert.equal(first.holdOff, 0)
  first.opened()
  await first[Symbol.asyncDispose]()
  const second = await load()
  assert.ok(second.holdOff > 20_000 && second.holdOff <= 25_000, `${second.holdOff}`)
  assert.equal(second.wasUnclean, false)
  second.registered()
  await second[Symbol.asyncDispose]()
  const third = await load()
  assert.equal(third.holdOff, 0)
  assert.equal(third.wasUnclean, true, 'it was killed')
  third.closed()
  await third[Symbol.asyncDispose]()
  const fourth = await load()
  assert.equal(fourth.holdOff, 0)
  assert.equal(fourth.wasUnclean, false)
})

test('a relay that returns is dialed within 2 s, however long the backoff', async (t) => {
  const first = await fakeRelay(t)
  const { link } = await startBridge(t, first, { cloud: { reconnect_delay: 3_600 } })
  await first.robot()
  await link.next(online)
  await first.close()
  // until the waits have grown long
  await link.next({ where: ({ next_retry_ms }) => (next_retry_ms ?? 0) > 1_500, within: 120_000 })
  const port = Number(new URL(first.url).port)
  const back = performance.now()
  const second = await fakeRelay(t, { port })
  await second.robot(10_000)
  t.diagnostic(`back after ${Math.round(performance.now() - back)} ms`)
})

test('a proxy without a relay is not dialed in a tight loop', async (t) => {
  const relay = await fakeRelay(t)
  relay.refuse(502)
  const { link } = await startBridge(t, relay, { cloud: { reconnect_delay: 3_600 } })
  await link.next({ ...isWaiting, where: ({ attempts, state }) => state === 'waiting' && attempts >= 3 })
  assert.ok(relay.attempts.length <= 4)
})

test('in hotspot mode the relay is not dialed, and at once when it ends (A13, P26)', async (t) => {
  const relay = await fakeRelay(t)
  const { robot, link } = await startBridge(t, relay)
  const first = await relay.robot()
  await link.next(online)
  const closed = once(first.socket, 'close')
  await robot.publish(topics.telemetry, { mode: 'ap' }, { source: 'network_state' })
  assert.equal((await closed)[0], 1000)
  await link.next({ where: ({ state }) => state === 'paused' })
  await assert.rejects(relay.robot(700), /no robot came/)
  await robot.publish(topics.telemetry, { mode: 'wifi' }, { source: 'network_state' })
  await relay.robot(2_000)
  await link.next(online)
})

test('credentials are re-read before each attempt (A06)', async (t) => {
  const relay = await fakeRelay(t)
  let secret = 'wrong'
  const { link } = await startBridge(t, relay, { reload: () => secret })
  const first = await relay.robot()
  await link.next(online)
  const before = relay.attempts[0]?.headers['x-signature']
  secret = TEST_SECRET
  first.socket.terminate()
  await relay.robot()
  assert.notEqual(relay.attempts[1]?.headers['x-signature'], before)
})

test('without a name server the last addresses of the relay are used (A28)', async () => {
  const found = [{ address: '192.0.2.1', family: 4 }]
  let answer: () => Promise<typeof found> = () => Promise.resolve(found)
  let asked = 0
  const lookup = createLookup({
    timeout: 50,
    lookup() {
      asked++
      return answer()
    },
  })
  const resolve = () =>
    new Promise((done) => lookup('relay.example', { all: true }, (err, addresses) => done(err ?? addresses)))
  assert.deepEqual(await resolve(), found)
  answer = () => Promise.reject(new Error('ENOTFOUND'))
  assert.deepEqual(await resolve(), found)
  answer = () => new Promise(() => {})
  assert.deepEqual(await resolve(), found)
  // the question is late already: timers fire in the order of their times, however busy the machine is
  assert.deepEqual(await Promise.race([resolve(), sleep(40)]), found)
  assert.equal(asked, 3, 'never two questions at once')
})

test('a name that was never resolved is an error with the name (A27)', async () => {
  const lookup = createLookup({ timeout: 50, lookup: () => new Promise(() => {}) })
  const err = await new Promise((done) => lookup('relay.example', {}, done))
  assert.match(String(err), /relay\.example/)
})

test('a server that is not a relay is reported as a lost connection', async (t) => {
  const memory = await memoryBus(t)
  const server = createServer((_request, response) => response.end('hello'))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  const { link } = await startBridge(
    t,
    { url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}/` },
    { memory },
  )
  const { payload } = await link.next(isWaiting)
  assert.ok(payload.last_close?.reason)
})

test('a stop takes less than 3 s, also with a relay that does not read, and closes the outbox (H03)', async (t) => {
  const relay = await fakeRelay(t)
  const { robot, link, bridge, dataDir } = await startBridge(t, relay)
  const socket = await relay.robot()
  await link.next(online)
  socket.socket.pause()
  await robot.publish(topics.event, {}, { name: 'bark' })
  const start = performance.now()
  await bridge[Symbol.asyncDispose]()
  const took = performance.now() - start
  t.diagnostic(`stopped after ${Math.round(took)} ms`)
  assert.ok(took < 3_000)
  assert.equal(existsSync(join(dataDir, 'outbox.db')), true)
  assert.equal(existsSync(join(dataDir, 'outbox.db-wal')), false, 'the log was written back')
})

test('a relay that does not read is disconnected before memory fills', async (t) => {
  const relay = await fakeRelay(t)
  const { robot, link } = await startBridge(t, relay)
  const socket = await relay.robot()
  await link.next(online)
  socket.socket.pause()
  const big = { session_id: 's', code: 'x', error: 'x'.repeat(200_000) }
  const lost = link.next({ where: ({ connected }) => !connected, within: 20_000 })
  for (let i = 0; i < 120; i++) await robot.publish(topics.error, big)
  assert.match((await lost).payload.last_close?.reason ?? '', /does not read/)
})
