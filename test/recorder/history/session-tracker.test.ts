import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { SessionSummary } from '#bus/messages.ts'
import type { HistoryRecord } from '#services/recorder/history/records.ts'
import { SessionTracker } from '#services/recorder/history/session-tracker.ts'

const viewer = (session_id: string, change: Partial<SessionSummary> = {}): SessionSummary => ({
  ...{
    session_id,
    state: 'connected',
    since: 0,
    codec: 'h264',
    layer: 'high',
    bitrate: 0,
    rtt_ms: 1,
    loss: 0,
  },
  ...{ candidate_pair: 'host', protocol: 'udp', connection_type: 'LAN', role: 'watch' },
  ...change,
})

function tracking() {
  const records: HistoryRecord[] = []
  const time = { now: 0 }
  const tracker = new SessionTracker(
    (record) => void records.push(record),
    () => time.now,
  )
  const types = () => records.map(({ type }) => type)
  return { tracker, records, types, time, [Symbol.dispose]: () => tracker[Symbol.dispose]() }
}

test('a viewer is recorded when it is connected, when its path changes, and when it leaves', () => {
  using t = tracking()
  t.tracker.viewers([viewer('a', { state: 'offered' })])
  assert.deepEqual(t.types(), [])
  t.tracker.viewers([viewer('a')])
  t.tracker.viewers([viewer('a', { rtt_ms: 9, bitrate: 5 })])
  assert.deepEqual(t.types(), ['session-start', 'session-update'])
  t.tracker.viewers([viewer('a', { connection_type: 'WAN' })])
  t.tracker.closed('a', 'bye', 'viewer')
  t.tracker.closed('a', 'again', 'robot')
  assert.deepEqual(t.types(), ['session-start', 'session-update', 'session-update', 'session-end'])
  const end = t.records.at(-1)
  assert.ok(end?.type === 'session-end' && end.reason === 'bye' && end.by === 'viewer')
})

test('a viewer that is not listed any more, and a driver that pauses, have left', () => {
  using t = tracking()
  t.tracker.viewers([viewer('a')])
  t.tracker.drove('b', 'datachannel')
  t.tracker.drove('b', 'datachannel')
  t.time.now = 4_000
  t.tracker.check()
  assert.equal(t.types().includes('session-end'), false)
  t.time.now = 6_000
  t.tracker.check()
  const [update, end] = t.records.slice(-2)
  assert.ok(update?.type === 'session-update' && update.facts.commands === 2)
  assert.ok(end?.type === 'session-end' && end.kind === 'driver')
  t.time.now = 16_000
  t.tracker.check()
  assert.equal(t.types().filter((type) => type === 'session-end').length, 2)
})

test('ids of clients are bounded', () => {
  using t = tracking()
  for (let i = 0; i < 1_000; i++) t.tracker.drove(`id ${i}`, 'relay')
  assert.equal(t.records.length, 64)
})
