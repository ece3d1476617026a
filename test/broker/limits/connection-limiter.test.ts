import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ConnectionLimiter } from '#broker/limits/connection-limiter.ts'
import { createLogger } from '#lib/logger.ts'
import { createEventCounter } from '#lib/metrics/event-counter.ts'

const limits = { max_clients: 100, max_clients_per_address: 10, connections_per_second: 2 }

function counting(now: () => number) {
  const counters = createEventCounter(createLogger('test', { write() {} }), 'test')
  return { counters, limiter: new ConnectionLimiter(limits, counters, now) }
}

test('connections of one address are limited, those of this machine only in total', () => {
  const { limiter, counters } = counting(() => 1e9)
  const releases = Array.from({ length: 10 }, () => limiter.accept('10.0.0.1'))
  assert.equal(limiter.accept('10.0.0.1'), undefined)
  assert.equal(counters.totals.connections_too_many_per_address, 1)
  assert.ok(limiter.accept('10.0.0.2'))
  for (let i = 0; i < 89; i++) assert.ok(limiter.accept('127.0.0.1'), `${i}`)
  assert.equal(limiter.accept('127.0.0.1'), undefined)
  assert.equal(counters.totals.connections_too_many, 1)
  for (const release of releases) release?.()
  assert.ok(limiter.accept('127.0.0.1'))
})

test('the connection rate of one address is limited', () => {
  let now = 1e9
  const { limiter, counters } = counting(() => now)
  for (let i = 0; i < 10; i++) limiter.accept('2001:db8::1')?.()
  assert.equal(limiter.accept('2001:db8::ffff'), undefined, 'a machine can use the whole /64')
  assert.equal(counters.totals.connections_too_fast, 1)
  assert.ok(limiter.accept('2001:db8:0:1::1'))
  now += 500
  limiter.accept('2001:db8::1')?.()
  assert.equal(limiter.accept('2001:db8::1'), undefined)
})

test('connections are reserved for this machine when remote clients use all others', () => {
  const limiter = new ConnectionLimiter(
    { max_clients: 10, max_clients_per_address: 100, connections_per_second: 100 },
    createEventCounter(createLogger('broker', { write() {} }), 'refused'),
  )
  for (let i = 0; i < 9; i++) assert.ok(limiter.accept('10.0.0.1'))
  assert.equal(limiter.accept('10.0.0.1'), undefined)
  assert.ok(limiter.accept('127.0.0.1'))
})

test('a connection is released once', () => {
  const { limiter } = counting(() => 1e9)
  const releases = Array.from({ length: 10 }, () => limiter.accept('10.0.0.1'))
  releases[0]?.()
  releases[0]?.()
  assert.ok(limiter.accept('10.0.0.2'))
  const counters = createEventCounter(createLogger('test', { write() {} }), 'test')
  const other = new ConnectionLimiter({ ...limits, connections_per_second: 1_000 }, counters, () => 0)
  const first = other.accept('127.0.0.1')
  first?.()
  first?.()
  const accepted = Array.from({ length: 101 }, () => other.accept('127.0.0.1')).filter(Boolean)
  assert.equal(accepted.length, 100)
})

test('this machine may connect ten times as fast', () => {
  const { limiter, counters } = counting(() => 1e9)
  const accepted = (address: string) => {
    let count = 0
    for (let i = 0; i < 200; i++) {
      const release = limiter.accept(address)
      release?.()
      if (release) count++
    }
    return count
  }
  assert.deepEqual([accepted('10.0.0.1'), accepted('127.0.0.1')], [10, 100])
  assert.equal(counters.totals.connections_too_fast, 190 + 100)
})

test('no more than 100 connections are reserved for this machine', () => {
  const counters = createEventCounter(createLogger('test', { write() {} }), 'test')
  const open = { max_clients: 5_000, max_clients_per_address: 5_000, connections_per_second: 5_000 }
  const limiter = new ConnectionLimiter(open, counters, () => 0)
  let count = 0
  while (limiter.accept('10.0.0.1')) count++
  assert.equal(count, 4_900)
})

test('2 000 addresses are remembered, those with connections for longest', () => {
  const { limiter } = counting(() => 1e9)
  const drain = (address: string) => {
    for (let i = 0; i < 10; i++) limiter.accept(address)?.()
    assert.equal(limiter.accept(address), undefined)
  }
  limiter.accept('10.0.0.1')
  for (let i = 0; i < 9; i++) limiter.accept('10.0.0.1')?.()
  drain('10.0.0.2')
  for (let i = 0; i < 1_998; i++) limiter.accept(`10.1.${i >> 8}.${i & 255}`)?.()
  assert.equal(limiter.accept('10.0.0.2'), undefined, 'nothing was forgotten yet')
  limiter.accept('10.2.0.1')?.()
  assert.equal(limiter.accept('10.0.0.1'), undefined, 'it is connected')
  assert.ok(limiter.accept('10.0.0.2'), 'it was forgotten')
})

test('a connection of this machine that comes to a full broker displaces one before its login, else the newest anonymous one', () => {
  const ended: string[] = []
  const counters = createEventCounter(createLogger('test', { write() {} }), 'test')
  const limiter = new ConnectionLimiter({ ...limits, connections_per_second: 1_000 }, counters, () => 0)
  const standings = new Map<string, 'new' | 'anonymous' | 'user'>()
  const connect = (name: string, standing: 'new' | 'anonymous' | 'user', address = '127.0.0.1') => {
    standings.set(name, standing)
    const end = () => void ended.push(name)
    return limiter.accept(address, { standing: () => standings.get(name) ?? 'new', end })
  }
  const first = connect('service', 'user')
  connect('early', 'anonymous')
  connect('idle', 'new')
  for (let i = 3; i < 99; i++) connect(`user ${i}`, 'user')
  connect('late', 'anonymous')
  assert.ok(connect('a', 'user'))
  assert.ok(connect('b', 'user'))
  assert.ok(connect('c', 'user'))
  assert.deepEqual(ended, ['idle', 'late', 'early'])
  assert.equal(connect('d', 'user'), undefined, 'only users are left')
  first?.()
  assert.equal(connect('remote', 'new', '10.0.0.1'), undefined, 'no room for other machines')
  assert.deepEqual(ended, ['idle', 'late', 'early'])
})

test('a displaced connection is one only while the pace of this machine allows a new one', () => {
  const ended: string[] = []
  const counters = createEventCounter(createLogger('test', { write() {} }), 'test')
  const few = { max_clients: 1, max_clients_per_address: 1, connections_per_second: 1 }
  const limiter = new ConnectionLimiter(few, counters, () => 0)
  const connect = () =>
    limiter.accept('127.0.0.1', { standing: () => 'new', end: () => void ended.push('x') })
  const accepted = Array.from({ length: 80 }, connect).filter(Boolean)
  assert.equal(accepted.length, 50)
  assert.equal(ended.length, 49)
})
