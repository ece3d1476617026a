import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import { parseCandidate, userFragments } from '#services/webrtc/ice/candidate.ts'

const HOST =
  'candidate:1 1 udp 2113937151 192.168.1.7 51234 typ host generation 0 ufrag abcd network-cost 999'

test('a UDP candidate is parsed with its user fragment, with or without a=', () => {
  assert.deepEqual(parseCandidate(HOST), { candidate: HOST, ufrag: 'abcd' })
  assert.deepEqual(parseCandidate(`a=${HOST}\r\n`), { candidate: HOST, ufrag: 'abcd' })
  const v6 = 'candidate:1 1 UDP 1 2001:db8::7 9 typ relay raddr 0.0.0.0 rport 0'
  assert.deepEqual(parseCandidate(v6, 'wxyz'), { candidate: v6, ufrag: 'wxyz' })
})

test('unusable candidates are dropped', () => {
  const useless = [
    null,
    undefined,
    '',
    {},
    7,
    'garbage',
    'candidate:',
    'end-of-candidates',
    HOST.replace('udp', 'tcp'),
    HOST.replace('192.168.1.7', '3e2c7a1c-58a8-4d1f-b2f1-000000000000.local'),
    HOST.replace('51234', '0'),
    HOST.replace('51234', '99999'),
    HOST.replace(' 1 udp', ' 2 udp'),
    HOST.replace('typ host', 'typ alien'),
    `${HOST}${'x'.repeat(2_000)}`,
  ]
  for (const text of useless) assert.equal(parseCandidate(text), undefined, String(text))
})

test('no text makes the parser throw', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.string().map((tail) => `candidate:${tail}`),
        fc.anything(),
      ),
      (text) => {
        parseCandidate(text, text)
      },
    ),
  )
})

test('user fragments are read from every m-line', () => {
  assert.deepEqual(userFragments('v=0\r\na=ice-ufrag:one\r\nm=audio\r\na=ice-ufrag:two\r\n'), ['one', 'two'])
})
