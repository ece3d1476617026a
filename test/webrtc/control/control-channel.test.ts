import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import fc from 'fast-check'
import { topics } from '#bus/topics.ts'
import { CommandLimits } from '#commands/actuators.ts'
import { collect } from '#dev/harness/collect.ts'
import { createEventCounter } from '#lib/metrics/event-counter.ts'
import { openControls } from '#services/webrtc/control/control-channel.ts'
import { memoryBus } from '#test/helpers/memory-bus.ts'

/** The data channel of one session, without a peer. */
async function openSession(t: TestContext) {
  const memory = await memoryBus(t)
  const bus = await memory.connect('webrtc')
  const discarded = memory.use(createEventCounter(memory.log, 'discarded'))
  const limits = CommandLimits.parse({})
  const controls = memory.use(await openControls({ bus, log: memory.log, discarded, limits }))
  const commands = await collect(await memory.connect('robot'), topics.command)
  const answers: Record<string, unknown>[] = []
  const channel = { label: 'control', send: (text: string) => answers.push(JSON.parse(text)) > 0 }
  const session = controls.join('one')
  session.app.connected()
  return {
    commands,
    answers,
    discarded,
    say: (text: string | undefined) => session.channel.onText(text, channel),
  }
}

test('what is no message is dropped', async (t) => {
  const { say, answers, commands, discarded } = await openSession(t)
  const texts = [
    '',
    'hello',
    '[]',
    '7',
    'null',
    '{}',
    `{"command":"x","s":"${'a'.repeat(20_000)}"}`,
    undefined,
  ]
  for (const text of texts) say(text)
  say('{"command":"last"}')
  await commands.next({ where: ({ name }) => name === 'last' })
  assert.equal(commands.all.length, 1)
  assert.deepEqual(answers, [])
  assert.equal(discarded.totals['control: not understood'], texts.length)
})

test('a number that is none never gets through', async (t) => {
  const { say, commands } = await openSession(t)
  say('{"command":"motor","left":1e999,"right":0}')
  say('{"command":"motor","data":{"left":[-1e999]}}')
  say('{"command":"last"}')
  await commands.next({ where: ({ name }) => name === 'last' })
  assert.equal(commands.all.length, 1)
})

test('a ping keeps its fields', async (t) => {
  const { say, answers } = await openSession(t)
  say('{"type":"ping","n":3}')
  say('{"command":"ping"}')
  assert.deepEqual(answers, [
    { type: 'pong', n: 3 },
    { type: 'pong', command: 'ping' },
  ])
})

test('no text makes it throw', async (t) => {
  const { say } = await openSession(t)
  fc.assert(fc.property(fc.oneof(fc.string(), fc.json()), (text) => say(text)))
})
