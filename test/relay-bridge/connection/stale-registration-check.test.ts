import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type TestContext, test } from 'node:test'
import { until } from '#dev/harness/until.ts'
import { createLogger } from '#lib/logger.ts'
import {
  CHECK_TIMES,
  StaleRegistrationCheck,
} from '#services/relay-bridge/connection/stale-registration-check.ts'
import { closeAfter } from '#test/helpers/close-after.ts'
import { fakeClock } from '#test/helpers/fake-clock.ts'
import { fakeRelay } from '#test/helpers/fake-relay.ts'
import { online, startBridge } from '../bridge.ts'

/** A check in fake time, whose connection is registered after an unclean loss. The relay has no list: a check finds it stale. */
async function registered(t: TestContext) {
  const relay = new URL((await fakeRelay(t)).url)
  const clock = fakeClock(t)
  const log = createLogger('test', { write() {} })
  const check = new StaleRegistrationCheck({ deviceId: 'robot', relay, log, times: CHECK_TIMES })
  closeAfter(t, () => check[Symbol.dispose]())
  const asked = t.mock.method(globalThis, 'fetch')
  check.registered({ afterUncleanLoss: true })
  return { clock, check, asked: () => asked.mock.callCount() }
}

test('a frame that the relay routes 22 s after the registration, or later, proves it', async (t) => {
  const { clock, check, asked } = await registered(t)
  clock.advance(CHECK_TIMES.proofAfter)
  check.routed()
  clock.advance(10 * CHECK_TIMES.interval)
  assert.equal(asked(), 0)
})

test('an earlier frame, which the predecessor may have left behind, proves nothing', async (t) => {
  const { clock, check, asked } = await registered(t)
  clock.advance(CHECK_TIMES.proofAfter - 1)
  check.routed()
  clock.advance(CHECK_TIMES.delay - CHECK_TIMES.proofAfter)
  assert.equal(asked(), 0)
  const stale = once(check, 'stale')
  clock.advance(1)
  assert.equal(asked(), 1)
  await stale
})

test('a frame for the robot counts as routed, an answer to it does not', async (t) => {
  const routed = t.mock.method(StaleRegistrationCheck.prototype, 'routed')
  const relay = await fakeRelay(t)
  const { link } = await startBridge(t, relay)
  const socket = await relay.robot()
  await link.next(online)
  socket.send({ type: 'pong' })
  socket.send({ type: 'user_connected', user_id: 'u' })
  await until(() => routed.mock.callCount() > 0)
  assert.equal(routed.mock.callCount(), 1)
})
