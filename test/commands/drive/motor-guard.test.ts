import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Command } from '#bus/messages.ts'
import { topics } from '#bus/topics.ts'
import { MotorGuard } from '#commands/drive/motor-guard.ts'
import { collect } from '#test/helpers/collect.ts'
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
