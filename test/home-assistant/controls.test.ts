import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { Bus } from '#bus/bus.ts'
import { topics } from '#bus/topics.ts'
import { CONTROLS, type Control } from '#commands/controls.ts'
import { collect } from '#dev/harness/collect.ts'
import { HomeAssistantSection } from '#services/home-assistant/config.ts'
import { memoryBus } from '#test/helpers/memory-bus.ts'
import { startService } from './start.ts'

const within = 20_000

async function robot(t: TestContext, section: object, limits?: object) {
  const memory = await memoryBus(t)
  const home = await memory.connect('home', { announce: false })
  const commands = await collect(home, topics.command)
  const outcomes = await collect(home, topics.happening, { name: 'command' })
  const own = await memory.connect('homeassistant')
  memory.use(await startService(t, own, { log: memory.log, section, ...(limits && { limits }) }))
  return { memory, home, commands, outcomes }
}

const use = (home: Bus, control: string, payload: string) =>
  home.publish(topics.control, Buffer.from(payload), { control })

/** Each control: what Home Assistant publishes, and the command that results. */
const TABLE: [Exclude<Control, 'restart'>, string, string, object][] = [
  ['stop', 'PRESS', 'emergency_stop', {}],
  ['photo', 'PRESS', 'take_photo', {}],
  ['treat', 'PRESS', 'treat', {}],
  ['overlay', 'OFF', 'set_overlay', { enabled: false }],
  ['overlay', 'ON', 'set_overlay', { enabled: true }],
  ['detector', 'OFF', 'set_detector', { enabled: false }],
  ['privacy', 'ON', 'set_privacy', { enabled: true }],
  ['quality', 'low', 'set_video_quality', { mode: 'low' }],
  ['mode', 'silent_guardian', 'set_mode', { mode: 'silent_guardian' }],
  ['volume', '40', 'audio_volume', { volume: 40 }],
]

test('each control becomes its command, and the result an event', async (t) => {
  const { home, commands, outcomes } = await robot(t, { controls: [...CONTROLS] })
  for (const [control, payload, name, params] of TABLE) {
    await use(home, control, payload)
    const { payload: command } = await commands.next({ within })
    assert.deepEqual([command.name, command.params, command.source], [name, params, 'homeassistant'])
    const fails = control === 'treat'
    const result = fails ? { success: false, error: 'jammed' } : { success: true }
    await home.publish(topics.commandResult, { id: command.id, name, ...result })
    const outcome = (await outcomes.next({ within })).payload
    assert.deepEqual(
      outcome,
      fails ? { event_type: 'failed', control, error: 'jammed' } : { event_type: 'done', control },
    )
  }
})

test('restart asks the services themselves', async (t) => {
  const { home, outcomes } = await robot(t, { controls: ['restart'] })
  const restarts = await collect(home, topics.restart)
  await use(home, 'restart', 'PRESS')
  await outcomes.next({ within, where: ({ event_type }) => event_type === 'done' })
  assert.deepEqual(restarts.all.map(({ params }) => params.service).sort(), [
    'audio',
    'relay-bridge',
    'vision',
    'webrtc',
  ])
})

test('a value that is none of the entity is refused', async (t) => {
  const { home, commands, outcomes } = await robot(t, { controls: [...CONTROLS] })
  const wrong: [Control, string][] = [
    ['overlay', 'PRESS'],
    ['detector', '{"model":"/etc/passwd"}'],
    ['mode', 'drive'],
    ['treat', ''],
    ['volume', '101'],
    ['volume', '-1'],
    ['volume', 'PRESS'],
  ]
  for (const [control, payload] of wrong) {
    await use(home, control, payload)
    const { payload: outcome } = await outcomes.next({ within })
    assert.deepEqual(outcome, { event_type: 'failed', control, error: 'invalid value' })
  }
  assert.equal(commands.all.length, 0)
})

test('a control that is not ticked does nothing, also where the broker would let it pass', async (t) => {
  const { home, commands } = await robot(t, {})
  for (const control of [...CONTROLS, 'motor']) await use(home, control, 'PRESS')
  await commands.next({ within, where: ({ name }) => name === 'take_photo' })
  assert.deepEqual(commands.all.map(({ payload }) => payload.name).sort(), ['emergency_stop', 'take_photo'])
  assert.deepEqual(HomeAssistantSection.parse({}).controls, ['stop', 'photo', 'overlay', 'quality'])
})

test('treats have the pace of cloud.command_limits, a stop has none', async (t) => {
  const limits = { treats: { per_minute: 1, burst: 1 } }
  const { home, commands, outcomes } = await robot(t, { controls: ['treat', 'stop'] }, limits)
  await use(home, 'treat', 'PRESS')
  await commands.next({ within })
  await use(home, 'treat', 'PRESS')
  const { payload } = await outcomes.next({ within })
  assert.match(String(payload.error), /^too often: again in \d+ s$/)
  for (let i = 0; i < 40; i++) await use(home, 'stop', 'PRESS')
  for (let i = 0; i < 40; i++) await commands.next({ within, where: ({ name }) => name === 'emergency_stop' })
})

test('controls are unique and known', () => {
  const parses = (controls: string[]) => HomeAssistantSection.safeParse({ controls }).success
  assert.ok(parses([]) && parses([...CONTROLS]))
  assert.ok(!parses(['stop', 'stop']) && !parses(['motor']) && !parses(['drive']))
})
