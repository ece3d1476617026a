import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ContractError } from '#bus/contract-error.ts'
import { kindOf, parseFrame } from '#services/relay-bridge/protocol/frame.ts'

test('only a JSON object is a frame (A19)', () => {
  for (const text of ['', '{', '[]', '1', 'null', '"x"', 'NaN', '\0', '{"a":1}x', "{'a':1}"]) {
    assert.throws(() => parseFrame(text), ContractError, text)
  }
  assert.deepEqual(parseFrame('{"type":"pong"}'), { type: 'pong' })
})

test('64 levels of nesting are accepted; brackets in strings do not count', () => {
  const nested = (levels: number) =>
    `{"a":${'['.repeat(levels)}${']'.repeat(levels)},"pad":"${'x'.repeat(200)}"}`
  parseFrame(nested(63))
  assert.throws(() => parseFrame(nested(64)), /too deeply/)
  assert.throws(() => parseFrame('['.repeat(8 * 2 ** 20)), /too deeply/)
  for (const text of ['['.repeat(500), '\\"['.repeat(500), '\\\\', '{'.repeat(500)]) {
    assert.equal(parseFrame(`{"a":"${text}","b":"${text}"}`).a, JSON.parse(`"${text}"`))
  }
  assert.equal((parseFrame(`{"a":[${'[],'.repeat(1_000)}1]}`).a as unknown[]).length, 1_001)
})

test('50,000 values are accepted, and more rejected before any is built', () => {
  parseFrame(`{"a":[${'1,'.repeat(49_000)}1]}`)
  for (const flood of ['[],'.repeat(2_500_000), '"k":1,'.repeat(600_000)]) {
    assert.throws(() => parseFrame(`{"a":[${flood}1]}`), /too many values/)
  }
})

test('the check of the bounds takes linear time', () => {
  const began = performance.now()
  for (const text of [
    '"\\'.repeat(2 ** 22),
    '"'.repeat(2 ** 23 - 1),
    '{"'.repeat(2 ** 22),
    '[]'.repeat(2 ** 22),
  ]) {
    assert.throws(() => parseFrame(text), ContractError)
  }
  // 0.1 s here; a look back at every quote would take hours
  assert.ok(performance.now() - began < 20_000)
})

test('a frame with a command is a command whatever its type; without both it is rejected', () => {
  const known = new Set(['command', 'ping'])
  assert.equal(kindOf({ command: 'reload_dogs' }, known), 'command')
  assert.equal(kindOf({ type: 'odd', command: 'stop' }, known), 'command')
  assert.equal(kindOf({ type: 'ping', command: 'stop' }, known), 'ping')
  assert.equal(kindOf({ type: 'odd', command: 5 }, known), 'odd')
  assert.throws(() => kindOf({ type: 5 }, known), ContractError)
})
