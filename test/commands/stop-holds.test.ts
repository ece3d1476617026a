import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import fc from 'fast-check'
import type { Bus } from '#bus/bus.ts'
import type { Command } from '#bus/messages.ts'
import { CommandLimits } from '#commands/actuators.ts'
import { CommandPath } from '#commands/command-path.ts'
import { createLogger } from '#lib/logger.ts'

/** Longest way of a message from one client to another in this test, ms. */
const MAX_LATENCY = 30
/** How long the robot stands after a stop, ms. */
const HOLD = 300
const ENTRANCES = ['relay', 'datachannel'] as const
type Entrance = (typeof ENTRANCES)[number]
type Handler = (payload: Command, meta: object) => void

const log = createLogger('test', { write() {} })

/** A bus in virtual time: each pair of clients has a latency of its own and keeps order. */
function virtualBus(now: () => number, latency: (from: string, to: string) => number) {
  const clients: { name: string; filter: string; handler: Handler }[] = []
  const arrivals = new Map<string, number>()
  const publish = (from: string, topic: string, payload: Command) => {
    for (const { name, filter, handler } of clients) {
      if (filter !== topic) continue
      const pair = `${from} ${name}`
      const at = Math.max(arrivals.get(pair) ?? 0, now() + latency(from, name))
      arrivals.set(pair, at)
      setTimeout(() => handler(payload, {}), at - now())
    }
  }
  const connect = (name: string): Bus => {
    const bus: Partial<Bus> = {
      connected: true,
      publish: (topic, payload, ...params) => {
        publish(name, topic.name(...params), payload as Command)
        return Promise.resolve()
      },
      subscribe: (topic, handler, params) => {
        clients.push({ name, filter: topic.filter(params), handler: handler as unknown as Handler })
        return Promise.resolve({ [Symbol.dispose]() {} })
      },
      onConnect: () => ({ [Symbol.dispose]() {} }),
    }
    return bus as Bus
  }
  const observe = (handler: (command: Command) => void) =>
    clients.push({ name: 'motors', filter: 'command/motor', handler })
  return { connect, observe }
}

/** Both entrances and the motors of one robot, in virtual time. */
async function openRobot(t: TestContext, latencies: number[]) {
  let time = 10_000
  const now = () => time
  const route = ['relay', 'datachannel', 'motors']
  const bus = virtualBus(now, (from, to) => latencies[route.indexOf(from) * 3 + route.indexOf(to)] ?? 0)
  const open = async (source: Entrance) => {
    const options = { source, log, now, limits: CommandLimits.parse({}), clock: { age: () => undefined } }
    const path = new CommandPath({ ...options, bus: bus.connect(source) })
    await path.listen()
    const app = path.join({ rate: 10_000 })
    app.connected()
    return { path, say: (message: object) => app.handle({ ...message }, () => {}) }
  }
  const [relay, datachannel] = [await open('relay'), await open('datachannel')]
  const motors = { speed: 0, moves: 0 }
  bus.observe(({ params }) => {
    motors.speed = Number(params.left)
    if (motors.speed !== 0) motors.moves++
  })
  return {
    now,
    motors,
    entrances: { relay, datachannel },
    async pass(ms: number, each: () => void = () => {}) {
      for (let i = 0; i < ms; i++) {
        time++
        t.mock.timers.tick(1)
        await Promise.resolve()
        each()
      }
    },
    [Symbol.dispose]() {
      relay.path[Symbol.dispose]()
      datachannel.path[Symbol.dispose]()
    },
  }
}

const step = fc.record({
  wait: fc.integer({ min: 0, max: 60 }),
  entrance: fc.constantFrom(...ENTRANCES),
  message: fc.constantFrom('move', 'move', 'move', 'zero', 'stop', 'emergency_stop'),
})
const latencies = fc.array(fc.integer({ min: 0, max: MAX_LATENCY }), { minLength: 9, maxLength: 9 })

const MESSAGES: Record<string, object> = {
  move: { command: 'motor', left: 0.5, right: 0.5 },
  zero: { command: 'motor', left: 0, right: 0 },
  stop: { type: 'stop' },
  emergency_stop: { command: 'emergency_stop' },
}

test('after a stop the robot stands for 300 ms, whatever follows it on either entrance (B01, B25)', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout', 'setInterval'] })
  let moved = 0
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 2, maxLength: 40 }), latencies, async (steps, given) => {
      using robot = await openRobot(t, given)
      let stoppedAt = Number.NEGATIVE_INFINITY
      const check = () => {
        const since = robot.now() - stoppedAt
        if (robot.motors.speed !== 0) moved++
        // the stop must reach the other entrance, its last move the one that was stopped, and the zero the motors
        if (since > 3 * MAX_LATENCY && since < HOLD) assert.equal(robot.motors.speed, 0, `${since} ms after`)
      }
      for (const { wait, entrance, message } of steps) {
        await robot.pass(wait, check)
        robot.entrances[entrance].say(MESSAGES[message] ?? {})
        if (message === 'stop' || message === 'emergency_stop') stoppedAt = robot.now()
      }
      await robot.pass(HOLD, check)
      // and everything ends in a zero
      await robot.pass(700)
      assert.equal(robot.motors.speed, 0)
    }),
    { numRuns: 150 },
  )
  assert.ok(moved > 1_000, 'the motors did move in between')
})

for (const entrance of ENTRANCES) {
  test(`motor, stop, motor within 50 ms over the ${entrance} does not move the robot`, async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout', 'setInterval'] })
    for (let gap = 0; gap < 50; gap++) {
      // what an entrance publishes comes back to it late
      using robot = await openRobot(t, [100, 2, 2, 2, 100, 2, 2, 2, 2])
      const { say } = robot.entrances[entrance]
      say(MESSAGES.move ?? {})
      await robot.pass(10)
      assert.equal(robot.motors.speed, 0.5)
      say(MESSAGES.stop ?? {})
      await robot.pass(gap)
      say(MESSAGES.move ?? {})
      await robot.pass(3)
      await robot.pass(287 - gap, () => assert.equal(robot.motors.speed, 0))
      assert.equal(robot.motors.moves, 1)
    }
  })
}

test('a move that was under way at the stop is followed by a zero, however late the other entrance is told', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout', 'setInterval'] })
  const fromChannel = [250, 2, 2]
  using robot = await openRobot(t, [2, 2, 2, ...fromChannel, 2, 2, 2])
  robot.entrances.datachannel.say(MESSAGES.stop ?? {})
  await robot.pass(200)
  robot.entrances.relay.say(MESSAGES.move ?? {})
  await robot.pass(2)
  assert.equal(robot.motors.speed, 0.5)
  await robot.pass(3)
  await robot.pass(90, () => assert.equal(robot.motors.speed, 0))
})

for (const [from, to] of [ENTRANCES, ENTRANCES.toReversed()] as [Entrance, Entrance][]) {
  test(`a stop over the ${from} holds a drive over the ${to} that goes on`, async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout', 'setInterval'] })
    using robot = await openRobot(t, Array(9).fill(20))
    const drive = async (ms: number, each?: () => void) => {
      for (let i = 0; i < ms / 10; i++) {
        robot.entrances[to].say(MESSAGES.move ?? {})
        await robot.pass(10, each)
      }
    }
    await drive(100)
    assert.equal(robot.motors.speed, 0.5)
    robot.entrances[from].say(MESSAGES.emergency_stop ?? {})
    await drive(60)
    await drive(230, () => assert.equal(robot.motors.speed, 0))
    await drive(100)
    assert.equal(robot.motors.speed, 0.5, 'the hold ends')
  })
}
