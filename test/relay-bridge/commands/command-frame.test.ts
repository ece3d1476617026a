import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { parseCommand } from '#services/relay-bridge/commands/command-frame.ts'
import { wireTime } from '#services/relay-bridge/protocol/wire-time.ts'

const read = (frame: Record<string, unknown>) => {
  const { name, params } = parseCommand(frame)
  return { name, params }
}

test('parameters are found in every shape that apps send', () => {
  assert.deepEqual(read({ type: 'command', command: 'servo', data: { pan: 10, tilt: 0 }, timestamp: 1 }), {
    name: 'servo',
    params: { pan: 10, tilt: 0 },
  })
  assert.deepEqual(read({ type: 'command', command: 'set_mode', mode: 'manual' }), {
    name: 'set_mode',
    params: { mode: 'manual' },
  })
  assert.deepEqual(read({ command: 'reload_dogs' }), { name: 'reload_dogs', params: {} })
  assert.deepEqual(read({ command: 'led', data: {}, pattern: 'rainbow' }), {
    name: 'led',
    params: { pattern: 'rainbow' },
  })
  assert.deepEqual(read({ command: 'led', data: null, pattern: 'x' }), {
    name: 'led',
    params: { pattern: 'x' },
  })
  assert.deepEqual(read({ command: 'say', data: 'hello' }), { name: 'say', params: { data: 'hello' } })
  assert.deepEqual(read({ command: 'x', data: { data: { enabled: true } } }), {
    name: 'x',
    params: { enabled: true },
  })
  assert.equal(parseCommand({ type: 'command' }).name, undefined)
})

test('what an app wants back is echoed', () => {
  const { echo } = parseCommand({
    command: 'treat',
    id: 'a',
    request_id: 7,
    timestamp: 1_769_500_000_000,
    x: 1,
  })
  assert.deepEqual(echo, { id: 'a', request_id: 7, timestamp: 1_769_500_000_000 })
})

test('times of every unit become milliseconds, and rubbish becomes no time', () => {
  assert.equal(wireTime(1_769_500_000), 1_769_500_000_000)
  assert.equal(wireTime(1_769_500_000.5), 1_769_500_000_500)
  assert.equal(wireTime(1_769_500_000_000), 1_769_500_000_000)
  assert.equal(wireTime('1769500000'), 1_769_500_000_000)
  assert.equal(wireTime('2026-02-22T10:00:00Z'), Date.UTC(2026, 1, 22, 10))
  for (const rubbish of ['', ' ', 'soon', null, undefined, {}, [], true, Number.NaN]) {
    assert.equal(wireTime(rubbish), undefined)
  }
})

test('no frame makes the parser throw', () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue()), fc.jsonValue(), (frame, data) => {
      const { params } = parseCommand({ ...frame, data })
      assert.equal(typeof params, 'object')
    }),
  )
})
