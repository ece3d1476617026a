import assert from 'node:assert/strict'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { createLogger } from '#lib/logger.ts'
import { LastConnection } from '#services/relay-bridge/connection/last-connection-state.ts'
import { RelayConnection } from '#services/relay-bridge/connection/relay-connection.ts'
import { SOCKET_TIMES } from '#services/relay-bridge/connection/relay-socket.ts'
import { temporaryFolder } from '#test/helpers/folder.ts'
import { type Cut, SimulatedRelay } from './simulated-relay.ts'

/** Intervals between cuts, s. */
export const GAPS = [0.5, 3, 8, 16, 20]
const CUTS: Cut[] = ['RST', 'FIN', 'silence', 'RST of a NAT']
const TICK_MS = 250
/** After the last cut. */
const USEFUL_WITHIN_MS = 40_000
/** A dead connection cannot be noticed sooner than by the pings. */
const DETECTION_MS = SOCKET_TIMES.ping + SOCKET_TIMES.pong
/** A stale registration shows up to 20 s after the registration; the relay notices a dead socket after 90 s. */
const WATCHED_MS = 100_000

/**
 * Declares a test for each wait of the relay and each kind of cut: one cut, two, and three, where `thirdGaps` are the intervals
 * (s) before the third one that follow an interval before the second one.
 */
export function testRegistration(thirdGaps: (second: number) => readonly number[]): void {
  for (const closeWait of [0, 10_000, 20_000]) {
    for (const how of CUTS) {
      test(`a relay that waits ${closeWait / 1000} s for a half-open socket, cut by ${how}: registered again within 40 s`, async (t) => {
        const clock = simulatedTime(t)
        const sequences = [
          [0],
          ...GAPS.map((gap) => [0, gap]),
          ...GAPS.flatMap((gap) => thirdGaps(gap).map((next) => [0, gap, next])),
        ]
        let longest = 0
        for (const gaps of sequences)
          longest = Math.max(longest, await runCell(t, clock, closeWait, how, gaps))
        t.diagnostic(`registered at most ${(longest / 1000).toFixed(1)} s after the last cut`)
      })
    }
  }
}

/** Cuts each connection `gaps` seconds after it opened; resolves to the ms from the last cut to the registration. */
async function runCell(
  t: TestContext,
  { advance }: ReturnType<typeof simulatedTime>,
  closeWait: number,
  how: Cut,
  gaps: readonly number[],
): Promise<number> {
  const relay = new SimulatedRelay(closeWait)
  const log = createLogger('test', { write() {} })
  const last = await LastConnection.load(join(temporaryFolder(t), 'last.json'), log)
  const connection = new RelayConnection({
    url: new URL('ws://relay.test/'),
    credentials: () => ({ deviceId: 'wimz_robot_99', secret: 'x' }),
    reconnectDelay: 5_000,
    times: SOCKET_TIMES,
    last,
    log,
    createWebSocket: () => relay.dial(),
  })
  connection.on('open', () => connection.send({ type: 'ping' }))
  connection.start()
  try {
    await advance(1_000)
    assert.ok(connection.registered && relay.reachesRobot)
    for (const [index, gap] of gaps.entries()) {
      if (index > 0) await untilOpened(relay, advance)
      await advance(gap * 1_000)
      relay.cut(how)
    }
    return await watch({ connection, relay, advance, tolerated: how === 'silence' ? DETECTION_MS : 0 })
  } catch (err) {
    throw new Error(`cuts after ${gaps.join(', ')} s`, { cause: err })
  } finally {
    const stopped = connection[Symbol.asyncDispose]()
    await advance(2_000)
    await stopped
  }
}

interface Watched {
  connection: RelayConnection
  relay: SimulatedRelay
  advance(ms: number): Promise<void>
  /** A wrong `connected` for this long cannot be avoided, ms. */
  tolerated: number
}

/** Resolves to the ms until the robot is reachable; rejects if that takes too long, or `connected` is wrong. */
async function watch({ connection, relay, advance, tolerated }: Watched): Promise<number> {
  const cutAt = performance.now()
  let usefulAt = Number.POSITIVE_INFINITY
  let wrongFor = 0
  while (performance.now() - cutAt < USEFUL_WITHIN_MS + WATCHED_MS) {
    await advance(TICK_MS)
    if (connection.registered && relay.reachesRobot) usefulAt = Math.min(usefulAt, performance.now())
    wrongFor = connection.registered && !relay.reachesRobot ? wrongFor + TICK_MS : 0
    assert.ok(wrongFor <= tolerated + TICK_MS, `connected, but not registered, for ${wrongFor} ms`)
    const deadline = Math.min(usefulAt, performance.now())
    assert.ok(
      deadline - cutAt <= USEFUL_WITHIN_MS,
      `not registered ${USEFUL_WITHIN_MS} ms after the last cut`,
    )
  }
  assert.ok(connection.registered && relay.reachesRobot, 'lost again')
  return usefulAt - cutAt
}

async function untilOpened(relay: SimulatedRelay, advance: (ms: number) => Promise<void>): Promise<void> {
  const before = performance.now()
  while (!relay.sockets.some(({ isOpen, cut }) => isOpen && cut === undefined)) {
    assert.ok(performance.now() - before < 60_000, 'no further connection')
    await advance(TICK_MS)
  }
}

interface Timer {
  at: number
  run: () => void
}

/** Timers and the monotonic clock advance only when the test says so, from timer to timer; promises settle in between. */
function simulatedTime(t: TestContext) {
  const real = { setTimeout, clearTimeout, setInterval, clearInterval }
  const realNow = performance.now
  let now = 1_000
  const timers = new Set<Timer>()
  const start = (run: () => void, ms = 0) => {
    const timer = { at: now + ms, run, unref() {} }
    timers.add(timer)
    return timer
  }
  const stop = (timer: Timer) => void timers.delete(timer)
  const every = (run: () => void, ms: number) => {
    const timer = start(() => {
      run()
      timer.at = now + ms
      timers.add(timer)
    }, ms)
    return timer
  }
  Object.assign(globalThis, {
    setTimeout: start,
    clearTimeout: stop,
    setInterval: every,
    clearInterval: stop,
  })
  performance.now = () => now
  t.after(() => {
    Object.assign(globalThis, real)
    performance.now = realNow
  })
  const settle = () => new Promise((resolve) => setImmediate(resolve))
  return {
    async advance(ms: number) {
      const end = now + ms
      for (;;) {
        const [due] = [...timers].filter(({ at }) => at <= end).sort((one, other) => one.at - other.at)
        now = due?.at ?? end
        if (!due) break
        timers.delete(due)
        due.run()
        await settle()
      }
      await settle()
    },
  }
}
