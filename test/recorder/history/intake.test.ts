import assert from 'node:assert/strict'
import { test } from 'node:test'
import { topics } from '#bus/topics.ts'
import { createLogger } from '#lib/logger.ts'
import { followBus } from '#services/recorder/history/intake.ts'
import type { HistoryRecord } from '#services/recorder/history/records.ts'
import { fakeBus } from '#test/helpers/fake-bus.ts'

const command = (name: string, change = {}) => ({
  ...{
    id: `${name}-1`,
    name,
    params: { count: 2 },
    source: 'relay' as const,
    session_id: 's1',
    received_at: 1,
  },
  ...change,
})
const link = (depth: number, dropped = 0, connected = true) => ({
  ...{ state: 'online' as const, connected, url: null, since: 0, attempts: 0, last_close: null },
  ...{ next_retry_ms: null, app_present: null, outbox: { depth, dropped } },
})

async function following() {
  const bus = fakeBus()
  const records: HistoryRecord[] = []
  const dropped: string[] = []
  const subscription = await followBus({
    bus,
    log: createLogger('history', { write() {} }),
    dropped: { count: (key) => void dropped.push(key), totals: {}, [Symbol.dispose]() {} },
    record: (record) => void records.push(record),
    onTrack() {},
  })
  const of = <T extends HistoryRecord['type']>(type: T) =>
    records.filter((one): one is Extract<HistoryRecord, { type: T }> => one.type === type)
  return { bus, of, dropped, [Symbol.dispose]: () => subscription[Symbol.dispose]() }
}

test('events and commands with their results are recorded; what repeats a track, and drive commands, are not', async () => {
  using history = await following()
  const { bus, of } = history
  bus.deliver(topics.event, { loudness: 3 }, { name: 'bark' })
  bus.deliver(topics.event, {}, { name: 'detection' })
  bus.deliver(topics.command, command('treat'), { name: 'treat' })
  bus.deliver(topics.commandResult, { id: 'treat-1', name: 'treat', success: false, error: 'empty' })
  bus.deliver(topics.command, command('motor', { params: { left: 1, right: 1 } }), { name: 'motor' })
  assert.deepEqual(
    of('event').map(({ name, kept, facts }) => ({ name, kept, facts })),
    [{ name: 'bark', kept: true, facts: { loudness: 3 } }],
  )
  assert.deepEqual(
    of('command').map(({ name, sessionId }) => [name, sessionId]),
    [['treat', 's1']],
  )
  assert.deepEqual(
    of('command-result').map(({ success, error }) => [success, error]),
    [[false, 'empty']],
  )
  assert.deepEqual(
    of('session-start').map(({ kind, sessionId }) => [kind, sessionId]),
    [['driver', 's1']],
  )
})

test('an empty outbox that has dropped nothing has sent the events', async () => {
  using history = await following()
  const { bus, of } = history
  bus.deliver(topics.link, link(3))
  bus.deliver(topics.link, link(0, 0, false))
  assert.equal(of('events-sent').length, 0)
  bus.deliver(topics.link, link(0))
  assert.equal(of('events-sent').length, 1)
  bus.deliver(topics.link, link(0, 2))
  assert.equal(of('events-sent').length, 1)
})

test('a service that publishes without end fills no disk', async () => {
  using history = await following()
  const { bus, of, dropped } = history
  for (let i = 0; i < 5_000; i++) bus.deliver(topics.event, {}, { name: 'bark' })
  assert.ok(of('event').length < 700)
  assert.equal(of('event').length + dropped.length, 5_000)
})
