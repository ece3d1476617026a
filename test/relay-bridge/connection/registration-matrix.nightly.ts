import assert from 'node:assert/strict'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { until } from '#dev/harness/until.ts'
import { createLogger } from '#lib/logger.ts'
import { LastConnection } from '#services/relay-bridge/connection/last-connection-state.ts'
import { RelayConnection } from '#services/relay-bridge/connection/relay-connection.ts'
import { SOCKET_TIMES } from '#services/relay-bridge/connection/relay-socket.ts'
import { temporaryFolder } from '#test/helpers/folder.ts'
import { type RealCut, ScriptedRelay } from './scripted-relay.ts'

// registration-matrix.test.ts has all cells in simulated time; these have real sockets and real time

const TICK_MS = 100
/** After the last cut. */
const USEFUL_WITHIN_MS = 40_000
/** A stale registration shows when the relay's wait for the predecessor ends. */
const WATCHED_MS = 30_000
/** `connected` without a registration: until both ends know of a cut, or the pings notice a silent one. */
const TOLERATED_MS = 1_000
const DETECTION_MS = SOCKET_TIMES.ping + SOCKET_TIMES.pong

/** The relay's wait for a half-open predecessor, the kind of cut, and its times after each opening, seconds. */
const CELLS: [closeWait: number, how: RealCut, gaps: number[]][] = [
  [20, 'RST', [1, 3]],
  [20, 'FIN', [1, 0.5, 8]],
  [20, 'silence', [1]],
  [20, 'silence', [1, 3, 3]],
  [10, 'RST', [1, 3, 0.5]],
  [10, 'FIN', [1, 3]],
  [10, 'silence', [1, 16]],
  [0, 'silence', [1, 3]],
]

test('after cuts of real sockets the robot is registered again within 40 s', {
  concurrency: CELLS.length,
  timeout: 600_000,
}, async (t) => {
  const cells = CELLS.map(([closeWait, how, gaps]) =>
    t.test(`the relay waits ${closeWait} s; ${how} after ${gaps.join(', ')} s`, (cell) =>
      runCell(cell, { closeWait: closeWait * 1_000, how, gaps }),
    ),
  )
  await Promise.all(cells)
})

async function runCell(
  t: TestContext,
  { closeWait, how, gaps }: { closeWait: number; how: RealCut; gaps: number[] },
): Promise<void> {
  const stack = new AsyncDisposableStack()
  t.after(() => stack.disposeAsync())
  const relay = await ScriptedRelay.listen(t, closeWait)
  const log = createLogger('test', { write() {} })
  const last = stack.use(await LastConnection.load(join(temporaryFolder(t), 'last.json'), log))
  const connection = stack.use(
    new RelayConnection({
      url: relay.url,
      credentials: () => ({ deviceId: 'wimz_robot_99', secret: 'x' }),
      reconnectDelay: 5_000,
      times: SOCKET_TIMES,
      last,
      log,
    }),
  )
  connection.on('open', () => connection.send({ type: 'ping' }))
  connection.start()
  await until(() => connection.registered, { deadline: 10_000 })
  for (const gap of gaps) {
    await until(() => relay.isConnected, { deadline: 60_000 })
    await sleep(gap * 1_000)
    relay.cut(how)
  }
  const cutAt = performance.now()
  const tolerated = (how === 'silence' ? DETECTION_MS : 0) + TOLERATED_MS
  let usefulAfter: number | undefined
  let rightAt = cutAt
  while (performance.now() - cutAt < USEFUL_WITHIN_MS + WATCHED_MS) {
    await sleep(TICK_MS)
    const now = performance.now()
    if (connection.registered && relay.reachesRobot) usefulAfter ??= now - cutAt
    if (!connection.registered || relay.reachesRobot) rightAt = now
    assert.ok(
      now - rightAt <= tolerated,
      `connected, but not registered, for ${Math.round(now - rightAt)} ms`,
    )
  }
  assert.ok(usefulAfter !== undefined && usefulAfter <= USEFUL_WITHIN_MS, `${usefulAfter} ms`)
  assert.ok(connection.registered && relay.reachesRobot, 'lost again')
  t.diagnostic(`registered ${(usefulAfter / 1_000).toFixed(1)} s after the last cut`)
}
