import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { topics } from '#bus/topics.ts'
import { isDrive } from '#commands/drive/drive.ts'
import { EventLoopStall } from '#commands/drive/event-loop-stall.ts'
import { collect } from '#dev/harness/collect.ts'
import { until } from '#dev/harness/until.ts'
import { fakeRelay } from '#test/helpers/fake-relay.ts'
import { online, startBridge } from '#test/relay-bridge/bridge.ts'
import { startRobot } from '#test/webrtc/robot.ts'
import { openViewer } from '#test/webrtc/viewer.ts'

type Fields = Record<string, unknown>

/** What a message leads to: what is published on the bus, and what the app gets back. */
interface Outcome {
  published?: [name: string, params: Fields][]
  /** Fields that the only answer has; `error` as a pattern. */
  answer?: Fields & { error?: RegExp }
}

const HOUR = 3_600_000
const STOP = (name: string): Outcome => ({
  published: [
    ['motor', { left: 0, right: 0 }],
    [name, {}],
  ],
  answer: { type: 'command_ack', command: name, success: true },
})
const done = (command: string, params: Fields, extra: Fields = {}): Outcome => ({
  published: [[command, params]],
  answer: { type: 'command_ack', command, success: true, ...extra },
})
const refused = (command: string, error: RegExp, extra: Fields = {}): Outcome => ({
  answer: { type: 'command_ack', command, success: false, error, ...extra },
})
const moves = (left: number, right: number, extra: Fields = {}): Outcome => ({
  published: [['motor', { ...extra, left, right }]],
})
// absolute: the bridge completes the address of a relay, and the data channel has none
const song = {
  url: 'https://relay.example/api/music/file/1',
  file_id: 'f',
  filename: 'a.mp3',
  dog_id: 'd',
  size: 123,
}

/** Every shape in which apps send commands, over the relay and over the data channel: docs/relay-protocol.md. An array is sent at once. */
const table = (now = Date.now()): [message: unknown, expected: Outcome][] => [
  // parameters in `data`, at top level, none
  [
    { type: 'command', command: 'servo', data: { pan: 10, tilt: 0 }, timestamp: now },
    done('servo', { pan: 10, tilt: 0 }, { timestamp: now }),
  ],
  [
    { type: 'command', command: 'set_mode', data: { mode: 'manual', timestamp: '2026-02-22T10:00:00Z' } },
    done('set_mode', { mode: 'manual', timestamp: '2026-02-22T10:00:00Z' }),
  ],
  [{ type: 'command', command: 'set_mode', mode: 'manual' }, done('set_mode', { mode: 'manual' })],
  [{ command: 'reload_dogs' }, done('reload_dogs', {})],
  [{ type: 'command', command: 'download_song', data: song }, done('download_song', song)],
  [{ command: 'led', data: {}, pattern: 'x' }, done('led', { pattern: 'x' })],
  [{ command: 'led', data: null, pattern: 'x' }, done('led', { pattern: 'x' })],
  [{ command: 'say', data: 'hello' }, done('say', { data: 'hello' })],
  [{ command: 'say', data: [1], loud: true }, done('say', { data: [1], loud: true })],
  [{ command: 'sg_config', data: { data: { enabled: true } } }, done('sg_config', { enabled: true })],
  [
    { command: 'sg_config', data: { a: 1, data: { enabled: true } } },
    done('sg_config', { a: 1, enabled: true }),
  ],
  [{ command: 'sg_config', data: { data: 'text' } }, done('sg_config', { data: 'text' })],
  // the envelope is no parameter, and what names the message goes back
  [
    {
      command: 'led_off',
      target_device: 'x',
      device_id: 'wimz_robot_99',
      session_id: 's',
      id: 'a',
      request_id: 7,
    },
    done('led_off', {}, { id: 'a', request_id: 7 }),
  ],
  [{ command: 'led_off', id: 'x'.repeat(300) }, done('led_off', {})],
  // names
  [{ command: 'play voice', n: 1 }, done('play voice', { n: 1 })],
  [{ command: 'bürste', n: 1 }, done('bürste', { n: 1 })],
  [{ type: 'command', command: 'ping', n: 1, id: 'p' }, done('ping', { n: 1 }, { id: 'p' })],
  [{ command: 'constructor' }, done('constructor', {})],
  [{ command: 'hasOwnProperty' }, done('hasOwnProperty', {})],
  [{ type: 'unheard_of', command: 'led_off' }, done('led_off', {})],
  [{ type: 'led_off', n: 1 }, done('led_off', { n: 1 })],
  [{ command: 'a/b', id: 1 }, refused('a/b', /no such command/, { id: 1 })],
  [{ command: '#' }, refused('#', /no such command/)],
  [{ command: 'nul\0' }, refused('nul\0', /no such command/)],
  [{ command: 'x'.repeat(65) }, refused('x'.repeat(64), /no such command/)],
  [{ type: 'command' }, refused('unknown', /no command named/)],
  [{ type: 'command', command: '' }, refused('unknown', /no command named/)],
  [{ type: 'command', command: 7, id: 'b' }, refused('unknown', /no command named/, { id: 'b' })],
  // age
  [
    { command: 'led', timestamp: now - HOUR, pattern: 'x' },
    refused('led', /too old/, { timestamp: now - HOUR }),
  ],
  [{ command: 'led', timestamp: (now - HOUR) / 1_000 }, refused('led', /too old/)],
  [{ command: 'led', timestamp: new Date(now - HOUR).toISOString() }, refused('led', /too old/)],
  [{ command: 'led', timestamp: now + HOUR }, refused('led', /future/)],
  [{ command: 'led_off', timestamp: { when: 'now' } }, done('led_off', {})],
  [{ command: 'led_off', timestamp: 'soon' }, done('led_off', {}, { timestamp: 'soon' })],
  [
    { command: 'motor', left: 0.5, right: 0.5, timestamp: now - HOUR },
    refused('motor', /too old/, { timestamp: now - HOUR }),
  ],
  // numbers that are none
  ['{"command":"led","r":1e999}', refused('led', /not finite/)],
  ['{"command":"drive","left":1e999,"right":0}', refused('drive', /not finite/)],
  ['{"command":"drive","data":{"left":[-1e999]}}', {}],
  // driving, in each of its names and shapes
  [{ command: 'motor', left: 0.5, right: -0.5 }, moves(0.5, -0.5)],
  [{ type: 'motor', left: 0.4, right: 0.4 }, moves(0.4, 0.4)],
  [{ type: 'command', command: 'motor', data: { left: 0.3, right: 2 } }, moves(0.3, 0.7)],
  [{ type: 'command', command: 'motor_command', data: { left: 0.3, right: -0.05 } }, moves(0.3, 0)],
  [{ command: 'drive', data: { left: '1', right: -1 } }, moves(0, -0.7)],
  [
    { command: 'motor', data: { left: 0.2, right: 0.2 }, seq: 5, ts: now },
    moves(0.2, 0.2, { seq: 5, ts: now }),
  ],
  [{ command: 'motor', left: 0.1, right: 0.1, seq: 4 }, refused('motor', /overtaken/)],
  [{ command: 'motor', left: 0, right: 0.05 }, moves(0, 0)],
  [
    [
      { command: 'motor', left: 0, right: 0 },
      { command: 'motor_command', left: 0.5, right: 0.5, n: 1 },
    ],
    refused('motor_command', /just stopped/),
  ],
  // what stops passes whatever else it says
  [{ type: 'stop' }, STOP('stop')],
  [{ command: 'stop' }, STOP('stop')],
  [{ command: 'emergency_stop' }, STOP('emergency_stop')],
  [{ type: 'emergency_stop', command: 'motor', left: 1, right: 1 }, STOP('emergency_stop')],
  [{ command: 'stop', data: 'nonsense', timestamp: now - HOUR }, STOP('stop')],
  [{ command: 'stop', timestamp: now + HOUR, data: { left: 1 } }, STOP('stop')],
  ['{"command":"stop","data":{"n":1e999}}', STOP('stop')],
  // pace, over both shapes
  [
    { command: 'dispense_treat', data: { data: { count: 2 } }, id: 1 },
    done('dispense_treat', { count: 2 }, { id: 1 }),
  ],
  [{ command: 'treat', count: 1, id: 2 }, done('treat', { count: 1 }, { id: 2 })],
  [{ type: 'treat', count: 1, id: 3 }, done('treat', { count: 1 }, { id: 3 })],
  [{ command: 'treat', count: 1, id: 4 }, refused('treat', /too often: again in \d+ s/, { id: 4 })],
  // no messages at all
  [{}, {}],
  [{ command: 7 }, {}],
  ['[]', {}],
  ['7', {}],
  ['null', {}],
  ['hello', {}],
  ['{"command":"led"', {}],
]

async function openRelay(t: TestContext) {
  const relay = await fakeRelay(t)
  const { robot, link } = await startBridge(t, relay)
  const socket = await relay.robot()
  await link.next(online)
  return { bus: robot, send: (text: string) => socket.send(text), answers: () => socket.frames }
}

async function openChannel(t: TestContext) {
  const { bus } = await startRobot(t)
  const channel = await (await openViewer(t, bus, 'one')).channel
  const answers: Fields[] = []
  channel.onMessage.subscribe((data) => void answers.push(JSON.parse(data.toString())))
  channel.send('{"type":"ping"}')
  await until(() => answers.length > 0)
  return { bus, send: (text: string) => channel.send(text), answers: () => answers }
}

interface Seen {
  message: unknown
  expected: Outcome
  published: [string, Fields][]
  answers: Fields[]
}

/** Sends every message of the table, and returns what each led to. */
async function run({ bus, send, answers }: Awaited<ReturnType<typeof openRelay>>) {
  await bus.subscribe(topics.command, ({ id, name }) =>
    bus.publish(topics.commandResult, { id, name, success: true }),
  )
  const commands = await collect(bus, topics.command)
  let marks = 0
  const exchange = async (message: unknown) => {
    const [before, answered] = [commands.all.length, answers().length]
    const mark = `mark_${marks++}`
    for (const one of Array.isArray(message) ? message : [message])
      send(typeof one === 'string' ? one : JSON.stringify(one))
    send(JSON.stringify({ command: mark }))
    await commands.next({ where: ({ name }) => name === mark })
    await until(() => answers().some(({ command }) => command === mark), { show: () => mark })
    const published = commands.all
      .slice(before)
      .filter(({ payload }) => payload.name !== mark)
      .map(({ payload }): [string, Fields] => [payload.name, payload.params])
    // a burst of driving is answered once in 5 s, so whether this one is depends on those before
    const own = answers()
      .slice(answered)
      .filter(({ type, command }) => type === 'command_ack' && command !== mark)
      .filter(({ command, success }) => !(success && isDrive(String(command))))
      .map(({ device_id: _, ...answer }) => answer)
    return { published, answers: own }
  }
  const outcomes: Seen[] = []
  for (const [message, expected] of table()) {
    const seen = await exchange(message)
    outcomes.push({ message, expected, ...seen })
    // a stop holds for a moment, and what follows an old frame at once may be a backlog
    const holds = /"(emergency_)?stop"|just stopped|too old/.test(JSON.stringify(seen))
    if (holds) await sleep(350)
  }
  return outcomes
}

test('relay and data channel give the same answer to the same message, in every shape', async (t) => {
  // drive commands that queued up while the event loop stood still are dropped, which test/commands/drive/drive-sequence.test.ts covers;
  // a busy machine must not cause that here
  t.mock.getter(EventLoopStall.prototype, 'isOver', () => true)
  const relay = await run(await openRelay(t))
  const channel = await run(await openChannel(t))
  for (const [i, seen] of relay.entries()) {
    check('relay', seen)
    check('channel', channel[i])
    assert.equal(withoutTimes(seen.answers), withoutTimes(channel[i]?.answers), JSON.stringify(seen.message))
  }
})

function check(entrance: string, seen: Seen | undefined): void {
  assert.ok(seen)
  const { published = [], answer } = seen.expected
  const name = `${entrance}: ${JSON.stringify(seen)}`
  for (const one of published) assert.ok(has(seen.published, one), name)
  // the zero of a stop is repeated, and may be seen with the next message
  const allowed = [...published, ['motor', { left: 0, right: 0 }] as [string, Fields]]
  const others = seen.published.filter((one) => !has(allowed, one))
  assert.deepEqual(others, [], name)
  assert.equal(seen.answers.length, answer ? 1 : 0, name)
  const { error, ...fields } = answer ?? {}
  const { error: told, ...got } = seen.answers[0] ?? {}
  assert.deepEqual({ ...got, ...fields }, got, name)
  assert.match(String(told), error ?? /undefined/, name)
}

/** Ages and times differ from one entrance to the other. */
function withoutTimes(answers: Fields[] | undefined): string {
  return JSON.stringify(answers).replace(/[\d.]+ s|\d{13}|\d{10}\.\d+|\d+-\d+-\w+:\d+:\d+\.\w+/g, '')
}

function has(list: readonly [string, Fields][], one: [string, Fields]): boolean {
  return list.some((other) => JSON.stringify(sorted(other)) === JSON.stringify(sorted(one)))
}

function sorted([name, params]: [string, Fields]) {
  return [name, Object.entries(params).toSorted(([a], [b]) => a.localeCompare(b))]
}
