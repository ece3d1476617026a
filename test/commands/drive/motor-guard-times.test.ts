import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { topics } from '#bus/topics.ts'
import { MotorGuard } from '#commands/drive/motor-guard.ts'
import { fakeBus } from '#test/helpers/fake-bus.ts'
import { fakeClock } from '#test/helpers/fake-clock.ts'

const HALF = { left: 0.5, right: 0.5 }
const ZERO = { left: 0, right: 0 }
const command = (params: object = {}) => ({ id: 'x', params: { ...params }, received_at: 0 })

/** The guard of the data channel in fake time. */
async function openGuard(t: TestContext) {
  const clock = fakeClock(t)
  const bus = fakeBus()
  const ages: number[] = []
  const stuck: string[] = []
  const guard = await MotorGuard.open({
    bus,
    source: 'datachannel',
    onDeadMan: (age) => ages.push(age),
    onWatchdog: () => stuck.push('stuck'),
  })
  const motors = () => bus.on(topics.motor)
  return {
    ...{ clock, bus, guard, ages, stuck, motors },
    /** Zeros on the bus so far. */
    zeros: () => motors().filter(({ params }) => params.left === 0 && params.right === 0).length,
    relayMoves: (params: object = HALF) =>
      bus.deliver(topics.motor, { ...command(params), name: 'motor', source: 'relay' }),
    stopOnBus: (name: 'stop' | 'emergency_stop') =>
      bus.deliver(topics.command, { ...command(), name, source: 'relay' }, { name }),
  }
}

test('the dead-man stops the motors 500 ms after the last drive command, with a zero at 0, 50 and 150 ms', async (t) => {
  const { clock, guard, zeros, ages, stuck, motors } = await openGuard(t)
  await guard.drive(command(), HALF)
  clock.advance(400)
  await guard.drive(command(), HALF)
  clock.advance(499)
  assert.equal(zeros(), 0)
  clock.advance(1)
  assert.deepEqual([zeros(), ages], [1, [500]])
  for (const [ms, count] of [
    [49, 1],
    [1, 2],
    [99, 2],
    [1, 3],
    [10_000, 3],
  ] as const) {
    clock.advance(ms)
    assert.equal(zeros(), count)
  }
  assert.deepEqual([ages.length, stuck], [1, []])
  assert.deepEqual(motors().at(-1)?.source, 'datachannel')
})

test('a drive command keeps its parameters and its session; a zero has the session that it stops', async (t) => {
  const { guard, motors } = await openGuard(t)
  await guard.drive({ ...command({ gear: 2, left: 9 }), session_id: 's1' }, HALF)
  assert.deepEqual(motors()[0]?.params, { gear: 2, ...HALF })
  guard.halt('s1')
  assert.deepEqual([motors()[1]?.session_id, motors()[1]?.params], ['s1', ZERO])
})

test('the watchdog stops what another process moves 600 ms after its last command', async (t) => {
  const { clock, zeros, stuck, relayMoves, bus, ages } = await openGuard(t)
  relayMoves()
  clock.advance(300)
  relayMoves()
  clock.advance(599)
  assert.deepEqual([zeros(), stuck.length], [0, 0])
  clock.advance(1)
  assert.deepEqual([zeros(), stuck.length, ages.length], [1, 1, 0])
  clock.advance(150)
  assert.equal(zeros(), 3)
  relayMoves()
  relayMoves(ZERO)
  clock.advance(5_000)
  assert.equal(zeros(), 3, 'it stopped itself')
  relayMoves()
  bus.connected = false
  clock.advance(5_000)
  assert.equal(zeros(), 3, 'what happens on the bus is unknown')
})

test('a stop holds the motors for 300 ms, even if this source did not move them', async (t) => {
  const { clock, guard, zeros } = await openGuard(t)
  guard.stop()
  assert.equal(zeros(), 1)
  clock.advance(299)
  assert.equal(await guard.drive(command(), HALF), false)
  assert.equal(await guard.drive(command(), ZERO), true, 'a zero is never held')
  clock.advance(1)
  assert.equal(await guard.drive(command(), HALF), true)
})

for (const name of ['stop', 'emergency_stop'] as const) {
  test(`${name} of another client holds the motors, and stops them if this source moves them`, async (t) => {
    const { clock, guard, zeros, stopOnBus } = await openGuard(t)
    stopOnBus(name)
    assert.equal(zeros(), 0)
    clock.advance(299)
    assert.equal(await guard.drive(command(), HALF), false)
    clock.advance(1)
    await guard.drive(command(), HALF)
    stopOnBus(name)
    assert.equal(zeros(), 1)
  })
}

test('a frame of another source that arrives during the hold is answered with a zero', async (t) => {
  const { clock, guard, zeros, relayMoves } = await openGuard(t)
  guard.stop()
  clock.advance(200)
  assert.equal(zeros(), 3)
  relayMoves(ZERO)
  assert.equal(zeros(), 3)
  relayMoves()
  assert.equal(zeros(), 4)
  clock.advance(100)
  relayMoves()
  assert.equal(zeros(), 4)
})

test('halt stops only what this source moves', async (t) => {
  const { clock, guard, zeros, ages, relayMoves } = await openGuard(t)
  guard.halt()
  relayMoves()
  guard.halt()
  assert.equal(zeros(), 0)
  clock.advance(10)
  await guard.drive(command(), HALF)
  guard.halt()
  assert.equal(zeros(), 1)
  clock.advance(1_000)
  guard.halt()
  assert.deepEqual([zeros(), ages], [3, []])
})

test('a drive command that cannot be published rejects', async (t) => {
  const { guard, bus } = await openGuard(t)
  bus.failure = new Error('no room')
  await assert.rejects(guard.drive(command(), HALF), bus.failure)
  guard.stop()
})

test('a source that falls silent leaves the motors to another that drives, and stops nothing of it later', async (t) => {
  const { clock, guard, zeros, ages, relayMoves } = await openGuard(t)
  await guard.drive(command(), HALF)
  for (let i = 0; i < 10; i++) {
    clock.advance(100)
    relayMoves()
  }
  assert.deepEqual([zeros(), ages], [0, []])
  guard.halt()
  assert.equal(zeros(), 0)
})

test('a source that falls silent stops the motors when the last command of another is 500 ms old', async (t) => {
  const { clock, guard, zeros, relayMoves } = await openGuard(t)
  relayMoves()
  await guard.drive(command(), HALF)
  clock.advance(500)
  assert.equal(zeros(), 1)
})

test('the repeats of a zero end when this source or another drives', async (t) => {
  const { clock, guard, zeros, relayMoves } = await openGuard(t)
  await guard.drive(command(), ZERO)
  clock.advance(50)
  assert.equal(zeros(), 2)
  await guard.drive(command(), HALF)
  clock.advance(400)
  assert.equal(zeros(), 2)
  await guard.drive(command(), ZERO)
  relayMoves()
  clock.advance(400)
  assert.equal(zeros(), 3)
})

test('a zero that is lost without the bus is published when it is back, unless the robot drives by then', async (t) => {
  const { clock, guard, zeros, bus } = await openGuard(t)
  await guard.drive(command(), HALF)
  bus.reconnect()
  assert.equal(zeros(), 0)
  bus.connected = false
  guard.halt()
  clock.advance(1_000)
  assert.equal(zeros(), 3)
  bus.reconnect()
  assert.equal(zeros(), 4)
  clock.advance(1_000)
  assert.equal(zeros(), 6)
  bus.reconnect()
  assert.equal(zeros(), 6, 'none was lost')
  await guard.drive(command(), HALF)
  bus.connected = false
  guard.halt()
  bus.connected = true
  await guard.drive(command(), HALF)
  bus.reconnect()
  assert.equal(zeros(), 7)
})

test('a guard that ends stops the motors, and leaves no timer or subscription', async (t) => {
  const { clock, guard, zeros, bus } = await openGuard(t)
  assert.equal(bus.listeners, 4)
  await guard.drive(command(), HALF)
  guard[Symbol.dispose]()
  assert.deepEqual([zeros(), bus.listeners], [1, 0])
  clock.advance(5_000)
  assert.equal(zeros(), 1)
})

test('a guard that ends leaves the motors to the process that moves them', async (t) => {
  const { clock, guard, zeros, relayMoves } = await openGuard(t)
  relayMoves()
  guard[Symbol.dispose]()
  clock.advance(5_000)
  assert.equal(zeros(), 0)
})
