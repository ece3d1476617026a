import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createLogger } from '#lib/logger.ts'
import { createEventCounter } from '#lib/metrics/event-counter.ts'

function recorded() {
  const lines: string[] = []
  return { lines, log: createLogger('test', { write: (line) => void lines.push(line) }) }
}

test('secrets never reach a line, at any depth where we carry them', () => {
  const { lines, log } = recorded()
  const server = { urls: 'turn:x', username: 'u', credential: 'hidden' }
  log.info({ credential: 'hidden' }, 'a')
  log.info({ cloud: { device_secret: 'hidden' } }, 'b')
  log.info({ ice_servers: [server] }, 'c')
  log.info({ request: { ice_servers: [server] } }, 'd')
  log.info({ bus: { password: 'hidden' }, headers: { authorization: 'hidden' } }, 'e')
  assert.equal(lines.length, 5)
  for (const line of lines) assert.doesNotMatch(line, /hidden/)
})

test('a signature reaches no line, wherever it stands', () => {
  const { lines, log } = recorded()
  const signature = '6233d33eaf448acef4b6debd11e3a8064c8a474a461bf1a1b4ac1b9119f0a4c8'
  log.warn({ reason: `bad signature ${signature}`, err: new Error(signature) }, `refused: ${signature}`)
  log.info({ [signature.toUpperCase()]: 1 }, 'a key')
  assert.equal(lines.length, 2)
  for (const line of lines) assert.doesNotMatch(line, /[0-9a-f]{64}/i)
  assert.match(lines[0] ?? '', /refused: \[signature\]/)
})

test('a tally logs sums once an interval, and only if there are any', (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] })
  const { lines, log } = recorded()
  const tally = createEventCounter(log, 'frames dropped', { every: 1_000 })
  for (let i = 0; i < 37; i++) tally.count('late')
  t.mock.timers.tick(1_000)
  t.mock.timers.tick(5_000)
  assert.equal(lines.length, 1)
  assert.equal(JSON.parse(lines[0] ?? '').late, 37)
  tally.count('late', 3)
  tally[Symbol.dispose]()
  assert.equal(lines.length, 2)
  assert.deepEqual(tally.totals, { late: 40 })
})

test('a tally holds a bounded number of keys, whatever strangers make up', () => {
  const { log } = recorded()
  using tally = createEventCounter(log, 'dropped')
  for (const key of ['__proto__', 'constructor', 'constructor']) tally.count(key)
  for (let i = 0; i < 10_000; i++) tally.count(`made up ${i}`)
  assert.equal(Object.keys(tally.totals).length, 100)
  assert.equal(tally.totals.constructor, 2)
  assert.equal(
    Object.values(tally.totals).reduce((sum, n) => sum + n, 0),
    10_003,
  )
})
