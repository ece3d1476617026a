import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import { parseControlMessage } from '#services/webrtc/control/control-message.ts'

const parse = (value: unknown) => parseControlMessage(JSON.stringify(value))

test('a command is understood in each of its forms (B14, B15)', () => {
  const motor = { kind: 'command', name: 'motor', params: { left: 0.5, right: -0.5 } }
  assert.deepEqual(parse({ command: 'motor', left: 0.5, right: -0.5 }), motor)
  assert.deepEqual(parse({ type: 'motor', left: 0.5, right: -0.5 }), motor)
  assert.deepEqual(parse({ type: 'command', command: 'motor', data: { left: 0.5, right: -0.5 } }), motor)
  assert.deepEqual(parse({ type: 'command', command: 'stop', data: {} }), {
    kind: 'command',
    name: 'stop',
    params: {},
  })
  assert.deepEqual(parse({ command: 'treat', id: 'x1', timestamp: 17, count: 2 }), {
    kind: 'command',
    name: 'treat',
    params: { count: 2 },
    id: 'x1',
    issuedAt: 17,
  })
  assert.deepEqual(parse({ command: 'say', data: 'hello' }), {
    kind: 'command',
    name: 'say',
    params: { data: 'hello' },
  })
})

test('a ping keeps its fields', () => {
  assert.deepEqual(parse({ type: 'ping', n: 3 }), { kind: 'ping', fields: { type: 'ping', n: 3 } })
  assert.equal(parse({ command: 'ping' })?.kind, 'ping')
})

test('what is no message is dropped', () => {
  for (const text of ['', 'hello', '[]', '7', 'null', '{}', '{"type":"command"}', '{"command":"a/b"}']) {
    assert.equal(parseControlMessage(text), undefined, text)
  }
  assert.equal(parseControlMessage(`{"command":"x","s":"${'a'.repeat(20_000)}"}`), undefined)
})

test('a number that is none never gets through', () => {
  assert.equal(parseControlMessage('{"command":"motor","left":1e999,"right":0}'), undefined)
  assert.equal(parseControlMessage('{"command":"motor","data":{"left":[-1e999]}}'), undefined)
})

test('no text makes it throw', () => {
  fc.assert(fc.property(fc.oneof(fc.string(), fc.json()), (text) => void parseControlMessage(text)))
})
