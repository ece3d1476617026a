import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { hasFiniteNumbers, parseCommand } from '#commands/command-message.ts'
import { wireTime } from '#commands/wire-time.ts'

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

test('a message of the data channel is understood in each of its forms (B14, B15)', () => {
  const motor = { name: 'motor', params: { left: 0.5, right: -0.5 } }
  assert.deepEqual(read({ command: 'motor', left: 0.5, right: -0.5 }), motor)
  assert.deepEqual(read({ type: 'motor', left: 0.5, right: -0.5 }), motor)
  assert.deepEqual(read({ type: 'command', command: 'motor', data: { left: 0.5, right: -0.5 } }), motor)
  assert.deepEqual(read({ type: 'command', command: 'stop', data: {} }), { name: 'stop', params: {} })
  assert.deepEqual(parseCommand({ command: 'treat', id: 'x1', timestamp: 17, count: 2 }), {
    name: 'treat',
    params: { count: 2 },
    issuedAt: 17_000,
    echo: { id: 'x1', timestamp: 17 },
  })
  assert.equal(read({ type: 'ping', n: 3 }).name, 'ping')
  assert.equal(read({ command: 'ping' }).name, 'ping')
})

test('a type that stops the robot counts beside any command, and a command beside any other type', () => {
  assert.equal(read({ type: 'stop', command: 'motor', left: 1, right: 1 }).name, 'stop')
  assert.equal(read({ type: 'led', command: 'treat' }).name, 'treat')
  assert.equal(read({ type: 'motor', command: '' }).name, 'motor')
  assert.equal(read({ type: 'command' }).name, undefined)
  assert.equal(read({ type: 7, command: ['stop'] }).name, undefined)
})

test('the place of a drive command in its stream is read beside data as well', () => {
  const { params } = read({ command: 'motor', data: { left: 1 }, seq: 3, ts: 5 })
  assert.deepEqual(params, { left: 1, seq: 3, ts: 5 })
  assert.deepEqual(read({ command: 'motor', data: { left: 1, seq: 4 }, seq: 3 }).params, { left: 1, seq: 4 })
})

test('a number that is none is found, and nesting without end is refused', () => {
  const deep = JSON.parse(`${'['.repeat(5_000)}-1e999${']'.repeat(5_000)}`)
  for (const params of [
    { left: Number.POSITIVE_INFINITY },
    { data: { left: [Number.NEGATIVE_INFINITY] } },
    { deep },
    [Number.NaN],
  ]) {
    assert.equal(hasFiniteNumbers(params), false)
  }
  assert.equal(hasFiniteNumbers({ left: 0.5, list: [1, '1e999', null] }), true)
})
