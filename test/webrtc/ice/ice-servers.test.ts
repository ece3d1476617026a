import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import { chooseIceServers } from '#services/webrtc/ice/ice-servers.ts'

const FALLBACK = ['stun:fallback.example:3478']
const account = { username: 'u', credential: 'p' }
const cloudflare = {
  urls: [
    'stun:stun.example:3478',
    'stun:stun.example:53',
    'turns:turn.example:443?transport=tcp',
    'turn:turn.example:3478?transport=tcp',
    'turn:turn.example:3478?transport=udp',
  ],
  ...account,
}
const turn = { host: 'turn.example', ...account }
const chosen = {
  stun: [
    { host: 'stun.example', port: 3478 },
    { host: 'stun.example', port: 53 },
  ],
  turn: [
    { ...turn, port: 3478, transport: 'udp' },
    { ...turn, port: 3478, transport: 'tcp' },
    { ...turn, port: 443, transport: 'tls' },
  ],
}
const nothing = { stun: [], turn: [] }

test('every shape of ice_servers is parsed (C21)', () => {
  assert.deepEqual(chooseIceServers([cloudflare], FALLBACK), chosen)
  assert.deepEqual(chooseIceServers({ iceServers: [cloudflare] }, FALLBACK), chosen)
  assert.deepEqual(chooseIceServers({ iceServers: cloudflare }, FALLBACK), chosen)
  assert.deepEqual(chooseIceServers(cloudflare, FALLBACK), chosen)
  for (const unsaid of [null, undefined, {}, { iceServers: null }]) {
    assert.deepEqual(chooseIceServers(unsaid, FALLBACK), {
      stun: [{ host: 'fallback.example', port: 3478 }],
      turn: [],
    })
  }
  for (const hostOnly of [[], { iceServers: [] }])
    assert.deepEqual(chooseIceServers(hostOnly, FALLBACK), nothing)
})

test('the old spelling url and a single string are accepted', () => {
  assert.deepEqual(chooseIceServers([{ url: 'stun:a.example' }], []).stun, [
    { host: 'a.example', port: 3478 },
  ])
  assert.deepEqual(chooseIceServers(['stun:b.example:1'], []).stun, [{ host: 'b.example', port: 1 }])
})

test('TURN over UDP precedes TCP and TLS, then a second server; an account is required (D13)', () => {
  const ways = (...urls: string[]) =>
    chooseIceServers([{ urls, ...account }], []).turn.map(
      ({ host, port, transport }) => `${transport} ${host} ${port}`,
    )
  assert.deepEqual(ways('turns:a:443', 'turn:a?transport=tcp', 'turn:a'), [
    'udp a 3478',
    'tcp a 3478',
    'tls a 443',
  ])
  assert.deepEqual(ways('turn:a', 'turn:b', 'turn:a', 'turns:b'), ['udp a 3478', 'tls b 5349', 'udp b 3478'])
  assert.deepEqual(ways('turns:[2001:db8::1]:443?transport=tcp'), ['tls 2001:db8::1 443'])
  assert.deepEqual(chooseIceServers([{ urls: 'turn:a' }], []).turn, [])
})

test('of many servers only a few are used (D13)', () => {
  const urls = Array.from({ length: 40 }, (_, i) => [`turn:t${i}`, `stun:s${i}`]).flat()
  const { stun, turn } = chooseIceServers([{ urls, ...account }], [])
  assert.deepEqual([stun.length, turn.length], [2, 6])
})

test('malformed servers are skipped, the others kept (P4, C21)', () => {
  const list = [null, 7, { urls: 9 }, { urls: ['http://x', 4, 'stun:', 'turn:a?transport=quic'] }, cloudflare]
  assert.deepEqual(chooseIceServers(list, FALLBACK), chosen)
  assert.deepEqual(chooseIceServers([{ nonsense: true }], FALLBACK), nothing)
})

test('no value throws', () => {
  fc.assert(fc.property(fc.anything(), (given) => void chooseIceServers(given, FALLBACK)))
})

test('configured servers may have an account', () => {
  assert.deepEqual(chooseIceServers(null, [...FALLBACK, { urls: 'turn:turn.example', ...account }]), {
    stun: [{ host: 'fallback.example', port: 3478 }],
    turn: [{ ...turn, port: 3478, transport: 'udp' }],
  })
})
