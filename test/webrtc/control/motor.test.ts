import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { RTCDataChannel } from 'werift'
import { topics } from '#bus/topics.ts'
import { collect } from '#dev/harness/collect.ts'
import { startRobot } from '../robot.ts'
import { openViewer } from '../viewer.ts'

const isZero = ({ params }: { params: Record<string, unknown> }) => params.left === 0 && params.right === 0
const isMoving = (command: { params: Record<string, unknown> }) => !isZero(command)
const GO = '{"command":"motor","left":0.5,"right":0.5}'

type Motor = Awaited<ReturnType<typeof startDriver>>['motor']

async function startDriver(
  t: Parameters<typeof startRobot>[0],
  ...options: [Record<string, unknown>?, object?]
) {
  const robot = await startRobot(t, ...options)
  const motor = await collect(robot.bus, topics.motor)
  const viewer = await openViewer(t, robot.bus, 'one')
  return { ...robot, motor, viewer, channel: await viewer.channel }
}

/** Says it ten times a second, as apps do, until the motors are told to move; resolves to what they were told. */
async function untilMoving(motor: Motor, channel: RTCDataChannel, text = GO, where = isMoving) {
  channel.send(text)
  const timer = setInterval(() => channel.send(text), 100)
  try {
    return (await motor.next({ where, within: 20_000 })).payload
  } finally {
    clearInterval(timer)
  }
}

test('a driver who falls silent is stopped after 500 ms, whatever the wall clock does (B02, B03, B25)', async (t) => {
  const { motor, channel } = await startDriver(t)
  const { now } = Date
  t.after(() => {
    Date.now = now
  })
  const ages: number[] = []
  for (const hours of [0, 15, -15, 0, 0]) {
    Date.now = () => now() + hours * 3_600_000
    await untilMoving(motor, channel)
    const start = performance.now()
    await motor.next({ where: isZero, within: 5_000 })
    ages.push(Math.round(performance.now() - start))
    await sleep(200) // the zero is said again
  }
  t.diagnostic(`zero after ${ages.join(', ')} ms`)
  for (const age of ages) assert.ok(age >= 450 && age < 1_500, `${age} ms`)
})

test('a stick that is held keeps the motors running, and a zero is said three times (B04)', async (t) => {
  const { motor, channel } = await startDriver(t)
  const timer = setInterval(() => channel.send(GO), 50)
  await sleep(1_000)
  clearInterval(timer)
  assert.equal(
    motor.all.some(({ payload }) => isZero(payload)),
    false,
  )
  channel.send('{"command":"motor","left":0,"right":0.05}')
  for (let i = 0; i < 3; i++) await motor.next({ where: isZero })
})

test('a stop passes at once and holds what was under way behind it (B01, B25)', async (t) => {
  const { bus, channel } = await startDriver(t)
  const stops = await collect(bus, topics.command, { name: 'emergency_stop' })
  const motor = await collect(bus, topics.motor)
  const sent: number[] = []
  const moved: number[] = []
  await bus.subscribe(topics.motor, ({ params }) => {
    const round = Math.round((Number(params.left) - 0.5) * 1_000)
    if (round >= 0) moved.push(performance.now() - (sent[round] ?? Number.NaN))
  })
  const took: number[] = []
  for (let round = 0; round < 100; round++) {
    sent[round] = performance.now()
    channel.send('{"command":"emergency_stop"}')
    await stops.next()
    took.push(performance.now() - (sent[round] ?? 0))
    channel.send(`{"command":"motor","left":${0.5 + round / 1_000},"right":0.5}`)
  }
  took.sort((a, b) => a - b)
  t.diagnostic(`on the bus after ${took[50]?.toFixed(1)} ms (median), ${took[99]?.toFixed(1)} ms (most)`)
  assert.equal(stops.all.length, 100, 'none is held back by the limit of messages')
  await motor.next({ where: isZero })
  // the guard counts from its own reading of the stop, which is later than its sending: a slow machine only adds to the time
  assert.ok(
    moved.every((after) => after >= 300),
    `moved ${moved} ms after a stop`,
  )
  await untilMoving(motor, channel)
})

test('frames that were overtaken are dropped (B24)', async (t) => {
  const { motor, channel } = await startDriver(t)
  channel.send('{"command":"motor","left":0.5,"right":0.5,"seq":5}')
  channel.send('{"command":"motor","left":0.3,"right":0.3,"seq":4}')
  const third = '{"command":"motor","left":0.2,"right":0.2,"seq":6}'
  await untilMoving(motor, channel, third, ({ params }) => params.left === 0.2)
  assert.equal(
    motor.all.some(({ payload }) => payload.params.left === 0.3),
    false,
  )
})

test('a stick that was let go stays so, whatever comes behind it (B25)', async (t) => {
  const { motor, channel } = await startDriver(t)
  const send = (message: object) => channel.send(JSON.stringify(message))
  await untilMoving(motor, channel, '{"command":"motor","left":0.5,"right":0.5,"seq":1}')
  send({ type: 'command', command: 'motor', data: { left: 0, right: 0 }, seq: 3 })
  await motor.next({ where: isZero })
  await sleep(200)
  send({ command: 'motor', left: 0.4, right: 0.4, seq: 2 })
  const { params } = await untilMoving(motor, channel, '{"command":"motor","left":0.3,"right":0.3,"seq":4}')
  assert.equal(params.left, 0.3)
})

test('who gives an id is told why a drive command was dropped (B06)', async (t) => {
  const { bus, channel } = await startDriver(t)
  await (await openViewer(t, bus, 'two')).channel
  const told = once(channel, 'message', { signal: AbortSignal.timeout(5_000) })
  channel.send('{"command":"motor","left":0.5,"right":0.5,"id":7}')
  const [{ data }] = await told
  assert.deepEqual(JSON.parse(data), {
    type: 'command_ack',
    command: 'motor',
    id: 7,
    success: false,
    error: 'another viewer drives',
  })
})

for (const [how, end] of [
  [
    'the relay ends it (P13, P14)',
    async ({ bus }) => bus.publish(topics.close, { session_id: 'one', reason: 'x' }),
  ],
  [
    'the same id asks again (P22)',
    async ({ bus }) => bus.publish(topics.request, { session_id: 'one', ice_servers: [] }),
  ],
  ['the viewer closes its channel', async ({ channel }) => channel.close()],
  ['the viewer closes its connection', async ({ viewer }) => viewer.close()],
  ['a newer viewer takes over', async ({ bus, t }) => void (await openViewer(t, bus, 'two'))],
  ['the service stops (H07)', async ({ service }) => service[Symbol.asyncDispose]()],
] as [
  string,
  (scene: Awaited<ReturnType<typeof startDriver>> & { t: Parameters<typeof startRobot>[0] }) => Promise<void>,
][]) {
  test(`the motors stop when ${how}`, async (t) => {
    const scene = await startDriver(t)
    const timer = setInterval(() => {
      if (scene.channel.readyState === 'open') scene.channel.send(GO)
    }, 40)
    t.after(() => clearInterval(timer))
    await scene.motor.next({ where: isMoving })
    await end({ ...scene, t })
    await scene.motor.next({ where: isZero, within: 5_000 })
    clearInterval(timer)
  })
}

test('only the viewer who came last drives; anybody stops, and who is left drives again (C20)', async (t) => {
  const { bus, motor, channel } = await startDriver(t)
  const second = await openViewer(t, bus, 'two')
  const theirs = await second.channel
  channel.send('{"command":"motor","left":0.3,"right":0.3}')
  const { session_id } = await untilMoving(motor, theirs)
  assert.equal(session_id, 'two')
  channel.send('{"command":"stop"}')
  await motor.next({ where: isZero })
  await bus.publish(topics.close, { session_id: 'two', reason: 'x' })
  await sleep(500)
  await untilMoving(motor, channel, '{"command":"motor","left":0.3,"right":0.3}')
})

test('a viewer who is not heard any more drives nowhere (P23, C14)', async (t) => {
  const { motor, viewer, channel } = await startDriver(t, {}, { silence: 300, grace: 5_000, watch: 50 })
  await untilMoving(motor, channel)
  viewer.hangUp()
  await viewer.pc.close()
  await motor.next({ where: isZero, within: 5_000 })
})
