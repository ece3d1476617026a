import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as nextRound } from 'node:timers/promises'
import { InputScheduler, type ScheduledInput } from '#broker/limits/input-scheduler.ts'

/** A connection with `available` packets, of which it reads up to eight in each turn. */
function connection(scheduler: InputScheduler, available: number, isAnonymous = true) {
  let turns = 0
  const open: (() => void)[] = []
  const input: ScheduledInput = scheduler.add({
    isAnonymous: () => isAnonymous,
    readTurn() {
      turns++
      const count = Math.min(8, available)
      available -= count
      for (let i = 0; i < count; i++) {
        input.begin()
        open.push(() => input.done())
      }
      return available > 0
    },
  })
  input.request()
  return {
    turns: () => turns,
    close: () => input.close(),
    finish: () => {
      for (const done of open.splice(0)) done()
    },
  }
}

test('a connection reads on only when its packets are processed', async () => {
  const flood = connection(new InputScheduler(), 1_000)
  for (let i = 0; i < 10; i++) await nextRound()
  assert.equal(flood.turns(), 1)
  flood.finish()
  assert.equal(flood.turns(), 2)
})

test('connections take turns: a client is read although others have endless input', async () => {
  const scheduler = new InputScheduler()
  const floods = Array.from({ length: 20 }, () => connection(scheduler, Infinity))
  const client = connection(scheduler, 1)
  for (let i = 0; i < 10 && client.turns() === 0; i++) {
    await new Promise((resolve) => setTimeout(resolve, 1))
    for (const flood of floods) flood.finish()
  }
  assert.equal(client.turns(), 1)
  const turns = floods.map((flood) => flood.turns())
  assert.ok(Math.max(...turns) - Math.min(...turns) <= 1, turns.join())
})

test('a client with a user name does not wait for anonymous ones', () => {
  const scheduler = new InputScheduler()
  const floods = Array.from({ length: 100 }, () => connection(scheduler, Infinity))
  assert.equal(connection(scheduler, 1, false).turns(), 1)
  const read = floods.filter((flood) => flood.turns() > 0).length
  assert.ok(read <= 6, `${read} anonymous connections in one round`)
})

test('packets of a connection that ends are no longer counted', async () => {
  const scheduler = new InputScheduler()
  for (let i = 0; i < 100; i++) {
    const gone = connection(scheduler, Infinity)
    gone.close()
  }
  const client = connection(scheduler, 1)
  for (let i = 0; i < 100 && client.turns() === 0; i++) {
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
  assert.equal(client.turns(), 1)
})

test('after a packet that must be complete first, nothing is read before all are processed', () => {
  let turns = 0
  const input = new InputScheduler().add({
    isAnonymous: () => false,
    readTurn() {
      turns++
      for (let i = 0; i < 3; i++) input.begin()
      input.block()
      return true
    },
  })
  input.request()
  for (let i = 0; i < 2; i++) input.done()
  assert.equal(turns, 1)
  input.done()
  assert.equal(turns, 2)
})
