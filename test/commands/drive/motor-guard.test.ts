import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Command } from '#bus/messages.ts'
import { topics } from '#bus/topics.ts'
import { MotorGuard } from '#commands/drive/motor-guard.ts'
import { collect } from '#dev/harness/collect.ts'
import { until } from '#dev/harness/until.ts'
import { memoryBus } from '#test/helpers/memory-bus.ts'

const HALF = { left: 0.5, right: 0.5 }
const isZero = ({ params }: Pick<Command, 'params'>) => params.left === 0 && params.right === 0
const command = () => ({ id: crypto.randomUUID(), params: HALF, received_at: Date.now() })

async function openGuards(t: TestContext) {
  const memory = await memoryBus(t)
  const ages: number[] = []
  const open = async (service: string, source: Command['source']) => {
    const bus = await memory.connect(service)
    const guard = memory.use(await MotorGuard.open({ bus, source, onDeadMan: (age) => ages.push(age) }))
    return { bus, guard }
  }
  const bus = await memory.connect('motors')
  return {
    memory,
    bus,
    motor: await collect(bus, topics.motor),
    relay: await open('relay-bridge', 'relay'),
    channel: await open('webrtc', 'datachannel'),
    ages,
  }
}

test('a stop holds every way to drive, whichever entrance it came from (B01)', async (t) => {
  const { motor, relay, channel } = await openGuards(t)
  assert.equal(await relay.guard.drive(command(), HALF), true)
  await motor.next({ where: (one) => !isZero(one) })
  const heard = await collect(relay.bus, topics.command, { name: 'emergency_stop' })
  await channel.bus.publish(
    topics.command,
    { ...command(), name: 'emergency_stop', source: 'datachannel' },
    { name: 'emergency_stop' },
  )
  channel.guard.stop('one')
  assert.equal(await channel.guard.drive(command(), HALF), false)
  await motor.next({ where: isZero })
  await heard.next()
  assert.equal(await relay.guard.drive(command(), HALF), false)
  await sleep(400)
  assert.equal(await relay.guard.drive(command(), HALF), true)
})

test('a stop is said three times although another way has just moved the motors (B25)', async (t) => {
  const { motor, relay, channel } = await openGuards(t)
  await relay.guard.drive(command(), HALF)
  await motor.next()
  channel.guard.stop()
  for (let i = 0; i < 3; i++)
    await motor.next({ where: (one) => isZero(one) && one.source === 'datachannel' })
})

test('who stops driving does not stop another who has begun (B04)', async (t) => {
  const { motor, relay, channel, ages } = await openGuards(t)
  await channel.guard.drive(command(), HALF)
  const timer = setInterval(() => void relay.guard.drive(command(), HALF), 50)
  await sleep(1_000)
  clearInterval(timer)
  assert.equal(
    motor.all.some(({ payload }) => isZero(payload)),
    false,
  )
  await motor.next({ where: isZero })
  assert.ok(ages.length >= 1)
})

test('a guard that ends says zero before it goes (H07)', async (t) => {
  const { motor, channel } = await openGuards(t)
  await channel.guard.drive(command(), HALF)
  channel.guard[Symbol.dispose]()
  await motor.next({ where: isZero, within: 400 })
})

test('the motors stop 600 ms after the last move on the bus, whichever process sent it (B02)', async (t) => {
  const { bus, motor } = await openGuards(t)
  for (const source of ['relay', 'datachannel'] as const) {
    await bus.publish(topics.motor, { ...command(), name: 'motor', source })
    await motor.next({ where: (one) => !isZero(one) })
    const moved = performance.now()
    await motor.next({ where: isZero, within: 5_000 })
    const took = performance.now() - moved
    assert.ok(took >= 550 && took < 5_000, `${took} ms`)
    await sleep(250) // the zeros are repeated
  }
})

test('a stop of any client holds both entrances, and stops the one that moves (B01)', async (t) => {
  const { bus, motor, relay, channel } = await openGuards(t)
  await relay.guard.drive(command(), HALF)
  const heard = await collect(channel.bus, topics.command, { name: 'stop' })
  const stop = { ...command(), params: {}, name: 'stop', source: 'datachannel' } as const
  await bus.publish(topics.command, stop, { name: 'stop' })
  await motor.next({ where: isZero, within: 400 })
  await heard.next()
  assert.equal(await relay.guard.drive(command(), HALF), false)
  assert.equal(await channel.guard.drive(command(), HALF), false)
})

test('a zero that was lost because the bus was away is published when it is back (H07)', async (t) => {
  const { motor, channel, memory } = await openGuards(t)
  await channel.guard.drive(command(), HALF)
  await motor.next({ where: (one) => !isZero(one) })
  const { preConnect } = memory.broker.aedes
  memory.broker.aedes.preConnect = (client, _packet, done) => {
    client.conn.destroy() // left open, it would be waited for until the client's own deadline
    done(null, false)
  }
  memory.cut('webrtc')
  await until(() => !channel.bus.connected)
  channel.guard.halt()
  await sleep(250) // its repeats are lost as well
  memory.broker.aedes.preConnect = preConnect
  const own = (one: Command) => isZero(one) && one.source === 'datachannel'
  await motor.next({ where: own, within: 5_000 })
})

test('a retained command moves nothing (B01)', async (t) => {
  const memory = await memoryBus(t)
  const [bus, robot] = [await memory.connect('webrtc'), await memory.connect('robot')]
  const publish = (topic: string, message: object) =>
    new Promise<void>((resolve, reject) =>
      memory.broker.aedes.publish(
        {
          ...{ cmd: 'publish', topic, qos: 1, dup: false, retain: true },
          payload: Buffer.from(JSON.stringify(message)),
        },
        (err) => (err ? reject(err) : resolve()),
      ),
    )
  await publish('wimz/command/motor', { ...command(), name: 'motor', source: 'relay' })
  await publish('wimz/command/treat', { ...command(), params: {}, name: 'treat', source: 'relay' })
  const seen = await collect(robot, topics.command)
  await bus.publish(topics.command, { ...command(), name: 'led', source: 'relay' }, { name: 'led' })
  await seen.next()
  assert.deepEqual(
    seen.all.map(({ payload }) => payload.name),
    ['led'],
  )
})
