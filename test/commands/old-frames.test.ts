import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { topics } from '#bus/topics.ts'
import { CommandLimits } from '#commands/actuators.ts'
import type { CommandClock } from '#commands/command-clock.ts'
import { CommandPath } from '#commands/command-path.ts'
import { createLogger } from '#lib/logger.ts'
import { closeAfter } from '#test/helpers/close-after.ts'
import { fakeBus } from '#test/helpers/fake-bus.ts'
import { fakeClock } from '#test/helpers/fake-clock.ts'

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

async function openEntrance(t: TestContext, source: (typeof ENTRANCES)[number], clock: CommandClock) {
  const { advance } = fakeClock(t)
  const bus = fakeBus()
  const log = createLogger('test', { write() {} })
  const path = new CommandPath({ bus, source, clock, limits: CommandLimits.parse({}), log })
  closeAfter(t, () => path[Symbol.dispose]())
  await path.listen()
  const app = path.join({ rate: 1_000 })
  app.connected()
  const moves = () => bus.on(topics.motor).filter(({ params }) => params.left !== 0).length
  const send = (fields: Fields) =>
    app.handle({ command: 'motor', left: 0.5, right: 0.5, ...fields }, () => {})
  return { send, moves, advance }
}

for (const source of ENTRANCES) {
  for (const [clockName, clock] of Object.entries(CLOCKS)) {
    for (const [shape, fields] of Object.entries(SHAPES)) {
      test(`${source}, ${clockName}, ${shape}: a burst that was held up for 0.8 to 9.9 s moves nothing (B24)`, async (t) => {
        const { send, moves } = await openEntrance(t, source, clock)
        // the first thing that the robot reads of this app
        for (let age = 9_900, n = 1; age >= 800; age -= 50, n++) send(fields(Date.now() - age, n))
        assert.equal(moves(), 0)
      })
    }
  }
}

for (const source of ENTRANCES) {
  for (const [shape, fields] of Object.entries(SHAPES)) {
    test(`${source}, ${shape}: after current frames a burst of older ones moves nothing (B24)`, async (t) => {
      const clock = CLOCKS['the own clock'] as CommandClock
      const { send, moves, advance } = await openEntrance(t, source, clock)
      const start = Date.now()
      send(fields(start, 1))
      assert.equal(moves(), 1)
      // 3 s later by the app's clock, the relay delivers what it held
      advance(3_000)
      for (let sent = 50, n = 2; sent <= 2_200; sent += 50, n++) send(fields(start + sent, n))
      assert.equal(moves(), 1)
      // not because of its order, a stop or a stall: what is sent now moves the robot
      send(fields(start + 3_000, 100))
      assert.equal(moves(), 2)
    })
  }
}
