import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createLogger } from '#lib/logger.ts'
import { Pairing } from '#services/relay-bridge/app-state/pairing.ts'
import { batteryPercent, statusData } from '#services/relay-bridge/app-state/status.ts'
import { UnknownTypes } from '#services/relay-bridge/protocol/unknown-types.ts'

function recorded() {
  const states: Record<string, unknown>[] = []
  const lines: string[] = []
  const log = createLogger('test', { write: (line) => void lines.push(line) })
  return {
    states,
    lines,
    log,
    bus: { setState: (detail: Record<string, unknown>) => void states.push(detail) },
  }
}

test('a robot whose owner is not known within a minute of its registration is not paired', (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const { states, lines, log, bus } = recorded()
  const connection = { registered: true }
  const pairing = new Pairing({ bus, log, connection })
  pairing.registered()
  t.mock.timers.tick(59_999)
  pairing.registered()
  t.mock.timers.tick(59_999)
  assert.deepEqual(states, [])
  t.mock.timers.tick(1)
  assert.deepEqual([states, lines.length], [[{ paired: false }], 1])
  pairing.registered()
  t.mock.timers.tick(60_000)
  assert.deepEqual([states.length, lines.length], [1, 1], 'it is published once')
  pairing.registered()
  pairing.profilesReceived()
  pairing.profilesReceived()
  t.mock.timers.tick(60_000)
  assert.deepEqual(states, [{ paired: false }, { paired: true }])
  connection.registered = false
  pairing.registered()
  t.mock.timers.tick(60_000)
  connection.registered = true
  pairing.registered()
  pairing[Symbol.dispose]()
  t.mock.timers.tick(60_000)
  assert.equal(states.length, 2)
})

test('the battery is the reported charge, else from its voltage, 0 to 100 with one decimal', () => {
  for (const [fields, expected] of [
    [{ battery: 55.55, level: 3, voltage: 12 }, 55.6],
    [{ battery: '55', level: 3 }, 3],
    [{ voltage: 12 }, 0],
    [{ voltage: 14.4 }, 50],
    [{ voltage: 16.8 }, 100],
    [{ voltage: 20 }, 100],
    [{ voltage: 5 }, 0],
    [{ battery: -1 }, 0],
    [{ battery: Number.NaN }, null],
    [{}, null],
  ] as const)
    assert.equal(batteryPercent(fields), expected, JSON.stringify(fields))
})

test('the status has what is known, and null for the rest', () => {
  const empty = statusData([], {}, [])
  const known = ['battery', 'temperature', 'mode', 'is_charging', 'treats_remaining', 'volume']
  for (const key of [...known, 'connection_type', 'camera_ok', 'camera_error'])
    assert.equal(empty[key], null, key)
  const session = (state: string, since: number, connection_type?: string) => ({
    state,
    since,
    connection_type,
  })
  const of = (...sessions: object[]) => statusData([], {}, sessions as never).connection_type
  assert.equal(of(session('connected', 1, 'WAN'), session('connected', 2, 'LAN')), 'LAN')
  assert.equal(of(session('connected', 1, 'WAN'), session('connecting', 2, 'LAN')), 'WAN')
  assert.equal(of(session('connected', 1)), 'LAN')
  const data = statusData(
    [
      { mode: 'a', treats_remaining: 3.9 },
      { mode: 'b', charging: true },
    ],
    { camera_ok: true },
    [],
  )
  assert.deepEqual([data.mode, data.treats_remaining, data.is_charging, data.camera_ok], ['b', 3, true, true])
  assert.equal(statusData([{ is_charging: false, charging: true }], {}, []).is_charging, false)
  assert.equal(statusData([], { state: 'offline', camera_ok: true }, []).camera_ok, null)
})

test('unknown types are logged once each, and published at most every 10 s', (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const { states, lines, log, bus } = recorded()
  const types = new UnknownTypes(bus, log)
  types.count('a')
  t.mock.timers.tick(0)
  types.count('a')
  types.count('a')
  t.mock.timers.tick(9_999)
  assert.deepEqual([states, lines.length], [[{ unknown_types: { a: 1 } }], 1])
  t.mock.timers.tick(1)
  assert.deepEqual(states.at(-1), { unknown_types: { a: 3 } })
  for (let i = 0; i < 40; i++) types.count(`n${i}`)
  types.count('x'.repeat(100))
  t.mock.timers.tick(10_000)
  const counts = states.at(-1)?.unknown_types as Record<string, number>
  assert.deepEqual([Object.keys(counts).length, counts.other, counts.n30], [33, 10, 1])
  const longNames = new UnknownTypes(bus, log)
  longNames.count('x'.repeat(100))
  t.mock.timers.tick(0)
  assert.deepEqual(states.at(-1), { unknown_types: { ['x'.repeat(64)]: 1 } })
  const before = states.length
  types.count('a')
  types[Symbol.dispose]()
  t.mock.timers.tick(60_000)
  assert.equal(states.length, before)
})
