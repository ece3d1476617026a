import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import { chooseIceServers } from '#services/webrtc/ice-servers.ts'

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
const chosen = {
  stun: 'stun:stun.example:3478',
  turn: { url: 'turn:turn.example:3478?transport=udp', ...account },
}
const nothing = { stun: undefined, turn: undefined }

test('every shape of API_CONTRACT 2.1 is understood', () => {
  assert.deepEqual(chooseIceServers([cloudflare], FALLBACK), chosen)
  assert.deepEqual(chooseIceServers({ iceServers: [cloudflare] }, FALLBACK), chosen)
  assert.deepEqual(chooseIceServers({ iceServers: cloudflare }, FALLBACK), chosen)
  assert.deepEqual(chooseIceServers(cloudflare, FALLBACK), chosen)
  for (const unsaid of [null, undefined, {}, { iceServers: null }]) {
    assert.deepEqual(chooseIceServers(unsaid, FALLBACK), { stun: FALLBACK[0], turn: undefined })
  }
  for (const hostOnly of [[], { iceServers: [] }])
    assert.deepEqual(chooseIceServers(hostOnly, FALLBACK), nothing)
})

test('the old spelling url and a single string are understood', () => {
  assert.equal(chooseIceServers([{ url: 'stun:a.example' }], []).stun, 'stun:a.example')
  assert.equal(chooseIceServers(['stun:b.example:1'], []).stun, 'stun:b.example:1')
})

test('TURN prefers UDP to TCP to TLS, and needs an account', () => {
  const turn = (...urls: string[]) => chooseIceServers([{ urls, ...account }], []).turn?.url
  assert.equal(turn('turns:a:443', 'turn:a?transport=tcp', 'turn:a'), 'turn:a')
  assert.equal(turn('turns:a:443', 'turn:a?transport=tcp'), 'turn:a?transport=tcp')
  assert.equal(turn('turns:[2001:db8::1]:443?transport=tcp'), 'turns:[2001:db8::1]:443?transport=tcp')
  assert.equal(chooseIceServers([{ urls: 'turn:a' }], []).turn, undefined)
})

test('malformed servers are skipped, the rest is kept', () => {
  const list = [null, 7, { urls: 9 }, { urls: ['http://x', 4, 'stun:', 'turn:a?transport=quic'] }, cloudflare]
  assert.deepEqual(chooseIceServers(list, FALLBACK), chosen)
  assert.deepEqual(chooseIceServers([{ nonsense: true }], FALLBACK), nothing)
})

test('no value makes it throw', () => {
  fc.assert(fc.property(fc.anything(), (given) => void chooseIceServers(given, FALLBACK)))
})
