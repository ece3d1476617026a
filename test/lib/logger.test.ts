import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createLogger, limitLines } from '#lib/logger.ts'
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

test('a field with the name of a key that every line has does not replace it', () => {
  const lines: string[] = []
  const log = createLogger('vision', { write: (line) => void lines.push(line) })
  log.warn({ level: 3, time: 0, msg: 'x', service: 'y', age_ms: 5 }, 'overload level raised')
  const [line = ''] = lines
  const { level, service, msg, age_ms, level_ } = JSON.parse(line)
  assert.deepEqual(
    { level, service, msg, age_ms, level_ },
    { level: 'warn', service: 'vision', msg: 'overload level raised', age_ms: 5, level_: 3 },
  )
  for (const key of ['level', 'time', 'msg', 'service']) assert.equal(line.split(`"${key}":`).length, 2, key)
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

test('a flood of one message is limited whatever its fields, others are not, and the rest is counted', () => {
  const lines: Record<string, unknown>[] = []
  const log = createLogger('test', { write: (line) => void lines.push(JSON.parse(line)) })
  for (let i = 0; i < 30_000; i++) log.warn({ type: `unknown-${i}` }, 'unknown message')
  assert.ok(lines.length < 60, `${lines.length} lines`)
  log.warn('another message')
  assert.equal(lines.at(-1)?.msg, 'another message')
})

test('a limited message appears again later, with the number of suppressed lines', () => {
  let now = 0
  const written: unknown[][] = []
  const limited = limitLines(() => now)
  const warn = (...args: unknown[]) =>
    limited.call(
      undefined as never,
      args as never,
      ((...given: unknown[]) => void written.push(given)) as never,
      40,
    )
  for (let i = 0; i < 70; i++) warn({ i }, 'flood')
  assert.equal(written.length, 50)
  now += 2_000
  warn({ i: 70 }, 'flood')
  assert.deepEqual(written.at(-1), [{ i: 70, suppressed: 20 }, 'flood'])
})
