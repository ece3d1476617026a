import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { topics } from '#bus/topics.ts'
import { CommandLimits } from '#commands/actuators.ts'
import { isDrive } from '#commands/drive/drive.ts'
import { collect } from '#dev/harness/collect.ts'
import { until } from '#dev/harness/until.ts'
import { RelayCommands } from '#services/relay-bridge/commands/relay-commands.ts'
import type { Frame } from '#services/relay-bridge/protocol/frame.ts'
import { memoryBus } from '#test/helpers/memory-bus.ts'

const RUNS = 1_500
const now = Date.now()

const name = fc.oneof(
  fc.constantFrom(
    'motor',
    'motor_command',
    'drive',
    'stop',
    'emergency_stop',
    'treat',
    'led',
    'audio',
    'servo',
  ),
  fc.constantFrom('constructor', '__proto__', 'a/b', '#', '+', '', 'nul\0', 'x'.repeat(70), '$SYS'),
  fc.string(),
  fc.string({ unit: 'binary' }),
  fc.jsonValue(),
)
const time = fc.oneof(
  fc.constant(undefined),
  fc.integer({ min: -40_000, max: 40_000 }).map((age) => now - age),
  fc.integer({ min: -40, max: 40 }).map((age) => new Date(now - age * 1000).toISOString()),
  fc.jsonValue(),
)
const data = fc.oneof(
  fc.record({ left: fc.double(), right: fc.double() }),
  fc.record({ data: fc.jsonValue() }),
  fc.jsonValue(),
)
const frame = fc
  .tuple(fc.dictionary(fc.string(), fc.jsonValue(), { maxKeys: 4 }), name, time, data)
  .map(([rest, command, timestamp, data]) => ({ ...rest, type: 'command', command, timestamp, data }))

test('any frame is acknowledged exactly once, a stop is always handed over, driving is never NaN (B22)', async (t) => {
  const memory = await memoryBus(t)
  const [bus, robot] = [await memory.connect('relay-bridge'), await memory.connect('robot')]
  const acks = new Map<unknown, Frame[]>()
  const wakers = new Set<() => void>()
  const send = (ack: Frame) => {
    acks.set(ack.id, [...(acks.get(ack.id) ?? []), ack])
    for (const wakeUp of wakers) wakeUp()
    return true
  }
  const gate = memory.use(
    new RelayCommands({
      ...{ bus, deviceId: 'wimz_robot_99', log: memory.log, connection: { send } },
      limits: CommandLimits.parse({}),
      // a frame over the rate has no acknowledgment
      rate: Number.POSITIVE_INFINITY,
      clock: { age: (issuedAt) => ({ ms: now - issuedAt, byRelay: true }) },
    }),
  )
  await gate.listen()
  const commands = await collect(robot, topics.command)
  await robot.subscribe(topics.command, ({ id, name }) =>
    robot.publish(topics.commandResult, { id, name, success: true }),
  )
  const ackOf = (id: string) =>
    until(() => acks.get(id), { deadline: 30_000, every: 1, show: () => names.get(id) })
  const names = new Map<string, unknown>()
  let n = 0
  await fc.assert(
    fc.asyncProperty(frame, async (said) => {
      const id = `n${n++}`
      names.set(id, said.command)
      // as it comes over the wire: no undefined, no -0
      gate.handle(JSON.parse(JSON.stringify({ ...said, id })))
      if (typeof said.command === 'string' && isDrive(said.command)) return
      const [ack] = (await ackOf(id)) ?? []
      assert.ok(ack, `no acknowledgment of ${JSON.stringify(said)}`)
      assert.equal(typeof ack.success, 'boolean')
      if (ack.success === false) assert.ok(typeof ack.error === 'string' && ack.error !== '')
      if (said.command === 'stop' || said.command === 'emergency_stop') assert.equal(ack.success, true)
    }),
    { numRuns: RUNS },
  )
  gate.handle({ command: 'stop', id: 'end' })
  await ackOf('end')
  for (const [id, found] of acks)
    assert.equal(found.length, 1, `${id}: ${JSON.stringify(names.get(String(id)))}`)
  const motors = commands.all.filter(({ params }) => params.name === 'motor')
  assert.ok(motors.length > 0)
  for (const { payload } of motors) {
    assert.equal(payload.name, 'motor')
    for (const power of [payload.params.left, payload.params.right]) {
      assert.ok(typeof power === 'number' && Math.abs(power) <= 0.7)
    }
  }
})
