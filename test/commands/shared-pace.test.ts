import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { topics } from '#bus/topics.ts'
import { CommandLimits } from '#commands/actuators.ts'
import { localClock } from '#commands/command-clock.ts'
import { CommandPath } from '#commands/command-path.ts'
import { collect } from '#dev/harness/collect.ts'
import { memoryBus } from '#test/helpers/memory-bus.ts'

type Fields = Record<string, unknown>

/** Both entrances of one robot, each with one app. */
async function openEntrances(t: TestContext) {
  const memory = await memoryBus(t)
  const open = async (source: 'relay' | 'datachannel') => {
    const bus = await memory.connect(source)
    const limits = CommandLimits.parse({})
    const path = memory.use(new CommandPath({ bus, source, limits, clock: localClock, log: memory.log }))
    await path.listen()
    const app = path.join({ rate: 200 })
    const answers: Fields[] = []
    const seen = await collect(bus, topics.command, { name: 'marker' })
    const handle = (message: Fields) => app.handle(message, (answer) => void answers.push(answer))
    return { bus, answers, handle, seen }
  }
  const robot = await memory.connect('robot')
  const treats = await collect(robot, topics.command, { name: 'dispense_treat' })
  const entrances = { relay: await open('relay'), channel: await open('datachannel') }
  /** Resolves when both entrances have seen everything that is on the bus now. */
  const settle = async () => {
    entrances.relay.handle({ command: 'marker' })
    entrances.channel.handle({ command: 'marker' })
    for (const { seen } of Object.values(entrances)) for (let i = 0; i < 2; i++) await seen.next()
  }
  return { ...entrances, robot, treats, settle }
}

test('100 treats over the data channel are three on the bus, and none of them when they are an hour old (B18)', async (t) => {
  const { channel, treats, settle } = await openEntrances(t)
  const timestamp = Date.now() - 3_600_000
  for (let i = 0; i < 100; i++) channel.handle({ command: 'dispense_treat', count: 1, timestamp })
  await settle()
  assert.equal(treats.all.length, 0)
  for (let i = 0; i < 90; i++) channel.handle({ command: 'dispense_treat', count: 1 })
  await settle()
  assert.equal(treats.all.length, 3)
})

test('the pace counts what the other entrance, or another client, has published (B18)', async (t) => {
  const { relay, channel, robot, treats, settle } = await openEntrances(t)
  relay.handle({ command: 'dispense_treat' })
  const other = { id: 'other', name: 'treat', params: {}, source: 'relay', received_at: Date.now() } as const
  await robot.publish(topics.command, other, { name: 'treat' })
  await settle()
  channel.handle({ command: 'dispense_treat' })
  await settle()
  for (const entrance of [relay, channel]) {
    entrance.handle({ command: 'dispense_treat', id: 'no' })
    assert.match(String(entrance.answers.find(({ id }) => id === 'no')?.error), /too often/)
  }
  assert.equal(treats.all.length, 2)
})

test('two entrances that let a burst pass at the same moment pay it back together (B18)', async (t) => {
  const { relay, channel, treats, settle } = await openEntrances(t)
  for (let i = 0; i < 10; i++) {
    relay.handle({ command: 'dispense_treat' })
    channel.handle({ command: 'dispense_treat' })
  }
  await settle()
  assert.ok(treats.all.length <= 6)
  channel.handle({ command: 'dispense_treat', id: 'later' })
  // ten a minute: three of debt and one to come
  const { error } = channel.answers.find(({ id }) => id === 'later') ?? {}
  const wait = Number(/again in (\d+) s/.exec(String(error))?.[1])
  assert.ok(wait > 6 && wait <= 24, `${error}`)
})
