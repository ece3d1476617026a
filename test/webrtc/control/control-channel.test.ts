import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import fc from 'fast-check'
import { topics } from '#bus/topics.ts'
import { CommandLimits } from '#commands/actuators.ts'
import { collect } from '#dev/harness/collect.ts'
import { createEventCounter } from '#lib/metrics/event-counter.ts'
import { type Controls, openControls } from '#services/webrtc/control/control-channel.ts'
import { memoryBus } from '#test/helpers/memory-bus.ts'

/** The data channel of one session, without a peer. */
async function openSession(t: TestContext, options?: Parameters<Controls['join']>[1]) {
  const memory = await memoryBus(t)
  const bus = await memory.connect('webrtc')
  const discarded = memory.use(createEventCounter(memory.log, 'discarded'))
  const limits = CommandLimits.parse({})
  const controls = memory.use(await openControls({ bus, log: memory.log, discarded, limits }))
  const commands = await collect(await memory.connect('robot'), topics.command)
  const answers: Record<string, unknown>[] = []
  const channel = { label: 'control', send: (text: string) => answers.push(JSON.parse(text)) > 0 }
  const session = controls.join('one', options)
  session.app.connected()
  return {
    controls,
    session,
    channel,
    commands,
    answers,
    discarded,
    say: (text: string | undefined) => session.channel.onText(text, channel),
  }
}

test('nothing is taken from a channel whose session has ended', async (t) => {
  const talked: unknown[] = []
  const { session, say, commands, answers } = await openSession(t, {
    talk: (message: unknown) => talked.push(message),
  })
  say('{"type":"talk","active":true,"press":1}')
  session.app.leave()
  say('{"type":"talk","active":true,"press":2}')
  say('{"command":"treat","id":"late"}')
  say('{"type":"ping"}')
  assert.equal(talked.length, 1)
  assert.deepEqual(answers, [])
  assert.deepEqual(commands.all, [])
})

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

test('a viewer that only watches stops the robot, and sends no other command', async (t) => {
  const { say, answers, commands } = await openSession(t, { watchOnly: true })
  const refused = ['treat', 'motor', 'set_video_quality', 'ptt_play']
  for (const command of refused)
    say(JSON.stringify({ type: 'command', command, id: command, data: { left: 0.5, right: 0.5 } }))
  say('{"type":"stop","id":"s"}')
  say('{"type":"ping","at":1}')
  await commands.next({ where: ({ name }) => name === 'stop' })
  for (const { payload } of commands.all) assert.ok(payload.name === 'stop' || payload.params.left === 0)
  assert.deepEqual(
    answers.filter(({ success }) => success === false).map(({ id }) => id),
    refused,
  )
  for (const { error } of answers.filter(({ success }) => success === false))
    assert.match(String(error), /for watching: .* stop only/)
  assert.ok(answers.some(({ type }) => type === 'pong'))
})

test('a viewer that only watches takes the wheel from no other, neither when it comes nor when it goes', async (t) => {
  const { controls, channel, commands } = await openSession(t, { watchOnly: true })
  const driver = controls.join('two')
  driver.app.connected()
  const watcher = controls.join('three', { watchOnly: true })
  watcher.app.connected()
  const drive = (left: number) =>
    driver.channel.onText(JSON.stringify({ command: 'motor', left, right: left }), channel)
  drive(0.5)
  await commands.next({ where: ({ name, session_id }) => name === 'motor' && session_id === 'two' })
  watcher.app.leave()
  drive(0.6)
  await commands.next({ where: ({ params }) => params.left === 0.6 })
  assert.ok(!commands.all.some(({ payload }) => payload.params.left === 0), 'the motors were not stopped')
})

test('a viewer takes over from another, whose motion ends; both are told, and so is one that watches', async (t) => {
  const { controls, channel, commands, answers } = await openSession(t)
  const told: string[] = []
  const join = (id: string, watchOnly = false) => {
    const session = controls.join(id, {
      watchOnly,
      onDriver: () => told.push(`${id}: ${session.app.driving}`),
    })
    session.app.connected()
    return session
  }
  const [first, second] = [join('first'), join('second')]
  const watcher = join('watcher', true)
  const say = (session: typeof first, message: object) =>
    session.channel.onText(JSON.stringify(message), channel)
  const standing = () => [first, second, watcher].map(({ app }) => app.driving)
  assert.deepEqual(standing(), ['other', 'this', 'other'])
  say(second, { type: 'motor', left: 0.5, right: 0.5 })
  await commands.next({ where: ({ params }) => params.left === 0.5 })
  told.length = 0
  say(first, { type: 'take_over', id: 't' })
  assert.deepEqual(standing(), ['this', 'other', 'other'])
  assert.deepEqual(told.filter((line) => !line.startsWith('one')).sort(), [
    'first: this',
    'second: other',
    'watcher: other',
  ])
  assert.deepEqual(
    answers.filter(({ id }) => id === 't').map(({ success }) => success),
    [true],
  )
  const zero = await commands.next({ where: ({ params }) => params.left === 0 })
  assert.equal(zero.payload.session_id, 'second')
  say(watcher, { type: 'take_over', id: 'w' })
  assert.deepEqual(standing(), ['this', 'other', 'other'])
  say(second, { type: 'motor', left: 0.4, right: 0.4 })
  say(first, { type: 'motor', left: 0.7, right: 0.7 })
  await commands.next({ where: ({ params }) => params.left === 0.7 })
  assert.ok(!commands.all.some(({ payload }) => payload.params.left === 0.4))
  first.app.leave()
  assert.deepEqual(standing().slice(1), ['this', 'other'])
})

test('messages about sound are limited, and cost no command', async (t) => {
  let [talked, heard] = [0, 0]
  const { say, commands, discarded } = await openSession(t, {
    talk: () => talked++,
    sound: () => heard++,
  })
  for (let n = 0; n < 1_000; n++) {
    say(`{"type":"talk","active":${n % 2 === 0},"press":${n + 1}}`)
    say('{"type":"sound","on":true}')
  }
  say('{"type":"stop","id":"s"}')
  await commands.next({ where: ({ name }) => name === 'stop' })
  assert.ok(talked + heard >= 50 && talked + heard < 200, `${talked + heard} messages`)
  assert.ok((discarded.totals['control: too many'] ?? 0) > 1_500)
})
