import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Command } from '#bus/messages.ts'
import { topics } from '#bus/topics.ts'
import { MotorGuard } from '#commands/drive/motor-guard.ts'
import { collect } from '#dev/harness/collect.ts'
import { memoryBus } from '#test/helpers/memory-bus.ts'

const AHEAD = { left: 0.5, right: 0.5 }
const command = (id: string) => ({ id, params: {}, received_at: Date.now() })
const isZero = ({ params }: Pick<Command, 'params'>) => params.left === 0 && params.right === 0

async function startGuards(t: TestContext) {
  const memory = await memoryBus(t)
  const motor = await collect(await memory.connect('motors', { announce: false }), topics.motor)
  const open = async (source: Command['source']) =>
    memory.use(await MotorGuard.open({ bus: await memory.connect(source), source, onDeadMan() {} }))
  return { motor, channel: await open('datachannel'), relay: await open('relay') }
}

test('of two who drive and fall silent at once, neither leaves the zero to the other (B02)', async (t) => {
  const { motor, channel, relay } = await startGuards(t)
  await Promise.all([channel.drive(command('a'), AHEAD), relay.drive(command('b'), AHEAD)])
  await motor.next({ where: isZero, within: 5_000 })
})

test('a way to drive that falls silent while the other goes on stops nothing, until that one is silent too (B04)', async (t) => {
  const { motor, channel, relay } = await startGuards(t)
  await channel.drive(command('a'), AHEAD)
  for (let i = 0; i < 24; i++) {
    await relay.drive(command('b'), AHEAD)
    await sleep(50)
  }
  assert.equal(
    motor.all.some(({ payload }) => isZero(payload)),
    false,
  )
  await motor.next({ where: isZero, within: 5_000 })
})
