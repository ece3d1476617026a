import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { topics } from '#bus/topics.ts'
import { CommandLimits } from '#commands/actuators.ts'
import type { CommandClock } from '#commands/command-clock.ts'
import { CommandPath } from '#commands/command-path.ts'
import { collect } from '#dev/harness/collect.ts'
import { memoryBus } from '#test/helpers/memory-bus.ts'

type Fields = Record<string, unknown>

const ENTRANCES = ['relay', 'datachannel'] as const
/** Our clock and the app's, ms, and how sure ours is. */
const CLOCKS: Record<string, CommandClock> = {
  'the relay’s clock': { age: (issuedAt) => ({ ms: Date.now() - issuedAt, byRelay: true, error: 20 }) },
  'the own clock': { age: (issuedAt) => ({ ms: Date.now() - issuedAt, byRelay: false }) },
  'no clock': { age: () => undefined },
}
/** How an app says when it sent a frame. */
const SHAPES: Record<string, (at: number, n: number) => Fields> = {
  'ts only': (ts) => ({ ts }),
  'ts and seq': (ts, seq) => ({ ts, seq }),
  timestamp: (timestamp) => ({ timestamp }),
  'ts in seconds': (ts) => ({ ts: ts / 1_000 }),
  'ts beside data': (ts) => ({ data: { left: 0.5, right: 0.5 }, ts }),
}

/**
 * Returns what stops both clocks while a burst comes, `later` ms from now: on a busy machine the burst would last longer, and a
 * stream that lasts is live.
 */
function stoppableClock(t: TestContext) {
  const [date, monotonic] = [Date.now, performance.now.bind(performance)]
  let stopped: { date: number; monotonic: number } | undefined
  t.mock.method(Date, 'now', () => stopped?.date ?? date())
  t.mock.method(performance, 'now', () => stopped?.monotonic ?? monotonic())
  return (burst: (now: number) => void, later = 0) => {
    stopped = { date: date() + later, monotonic: monotonic() + later }
    burst(stopped.date)
    stopped = undefined
  }
}

async function openEntrance(t: TestContext, source: (typeof ENTRANCES)[number], clock: CommandClock) {
  const atOneMoment = stoppableClock(t)
  const memory = await memoryBus(t)
  const bus = await memory.connect(source)
  const path = memory.use(
    new CommandPath({ bus, source, clock, limits: CommandLimits.parse({}), log: memory.log }),
  )
  await path.listen()
  const app = path.join({ rate: 1_000 })
  app.connected()
  const motor = await collect(await memory.connect('motors'), topics.motor)
  const moves = () => motor.all.filter(({ payload }) => payload.params.left !== 0).length
  const send = (fields: Fields) =>
    app.handle({ command: 'motor', left: 0.5, right: 0.5, ...fields }, () => {})
  /** Resolves when what was sent is on the bus. */
  const settle = async () => {
    app.handle({ command: 'motor', left: 0, right: 0 }, () => {})
    await motor.next({ where: ({ params }) => params.left === 0 })
  }
  return { send, settle, moves, atOneMoment }
}

for (const source of ENTRANCES) {
  for (const [clockName, clock] of Object.entries(CLOCKS)) {
    for (const [shape, fields] of Object.entries(SHAPES)) {
      test(`${source}, ${clockName}, ${shape}: a burst that was held up for 0.8 to 9.9 s moves nothing (B24)`, async (t) => {
        const { send, settle, moves, atOneMoment } = await openEntrance(t, source, clock)
        // the first thing that the robot reads of this app
        atOneMoment((now) => {
          for (let age = 9_900, n = 1; age >= 800; age -= 50, n++) send(fields(now - age, n))
        })
        await settle()
        assert.equal(moves(), 0)
      })
    }
  }
}

for (const source of ENTRANCES) {
  for (const [shape, fields] of Object.entries(SHAPES)) {
    test(`${source}, ${shape}: after current frames a burst of older ones moves nothing (B24)`, async (t) => {
      const clock = CLOCKS['the own clock'] as CommandClock
      const { send, settle, moves, atOneMoment } = await openEntrance(t, source, clock)
      const start = Date.now()
      send(fields(start, 1))
      await settle()
      assert.equal(moves(), 1)
      // 3 s later by the app's clock, the relay delivers what it held
      atOneMoment(() => {
        for (let sent = 50, n = 2; sent <= 2_200; sent += 50, n++) send(fields(start + sent, n))
      }, 3_000)
      await settle()
      assert.equal(moves(), 1)
    })
  }
}
