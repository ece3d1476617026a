import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { topics } from '#bus/topics.ts'
import { collect } from '#dev/harness/collect.ts'
import { fakeRelay } from '#test/helpers/fake-relay.ts'
import { startBridgeProcess } from '../bridge-process.ts'

const REACHABLE_WITHIN_MS = 35_000
/** The relay refuses the secret for so long, s: within the first retry, and after the third. */
const REFUSED_SECONDS = [5, 70]

for (const seconds of REFUSED_SECONDS) {
  test(`a secret that the relay accepts after ${seconds} s: a command arrives within 35 s (A06)`, {
    timeout: 180_000,
  }, async (t) => {
    const relay = await fakeRelay(t)
    relay.refuse(403)
    const { robot } = await startBridgeProcess(t, relay)
    const link = await collect(robot, topics.link)
    const commands = await collect(robot, topics.command, { name: 'treat' })
    await link.next({ where: ({ state }) => state === 'auth_failed', within: 20_000 })
    await sleep(seconds * 1_000)
    relay.refuse(undefined)
    const corrected = performance.now()
    const socket = await relay.robot(60_000)
    socket.send({ command: 'treat' })
    await commands.next()
    const took = performance.now() - corrected
    t.diagnostic(
      `reachable ${(took / 1_000).toFixed(1)} s after the correction, ${relay.attempts.length} attempts`,
    )
    assert.ok(took <= REACHABLE_WITHIN_MS)
  })
}
