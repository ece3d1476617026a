import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CloudSection } from '#services/relay-bridge/config.ts'
import { authHeaders, sign } from '#services/relay-bridge/connection/credentials.ts'

const SECRET = 'unit-test-secret'
const VECTORS = {
  'wimz_robot_99:1737200000': '6233d33eaf448acef4b6debd11e3a8064c8a474a461bf1a1b4ac1b9119f0a4c8',
  wimz_robot_991737200000: 'e424bf0f326de6d5defdfd7b80031416bc64b3d00333482d1cbc43e55c4190a0',
  '1737200000wimz_robot_99': 'f7e9eb8e072aa7feac69d13c2bda321ee4069d17b6a4994de2b7e810d2b13b34',
  '1737200000:wimz_robot_99': '1d34afaa3936f0729650ed0748ac24fb861b7b40f38f28b0c6cdddb10e4e3487',
  wimz_robot_99: '5f209d80d395ffc105c6539e0fdab604701e5418b0e7882034b3d2ac2e36177f',
}

test('signatures match the test vectors of docs/relay-protocol.md', () => {
  for (const [message, expected] of Object.entries(VECTORS)) assert.equal(sign(SECRET, message), expected)
})

test('the headers carry the signed timestamp in seconds', () => {
  const headers = authHeaders(
    { deviceId: 'wimz_robot_99', secret: SECRET },
    'id:timestamp',
    1_737_200_000_999,
  )
  assert.deepEqual(headers, {
    'X-Device-ID': 'wimz_robot_99',
    'X-Signature': VECTORS['wimz_robot_99:1737200000'],
    'X-Timestamp': '1737200000',
  })
})

test('the form of an old relay signs the bare id and sends no timestamp', () => {
  const headers = authHeaders({ deviceId: 'wimz_robot_99', secret: SECRET }, 'id')
  assert.deepEqual(headers, { 'X-Device-ID': 'wimz_robot_99', 'X-Signature': VECTORS.wimz_robot_99 })
})

test('values that cannot be dialed or sent in a header are rejected in the config, with the key', () => {
  const problem = (cloud: object) => CloudSection.safeParse(cloud).error?.issues[0]
  for (const device_id of ['wimz_ж', 'two\nlines', 'nul\0'])
    assert.deepEqual(problem({ device_id })?.path, ['device_id'], device_id)
  for (const device_id of ['', 'wimz_robot_05', 'Wauwau für Bello: #1 +/"\\'])
    assert.equal(problem({ device_id }), undefined)
  for (const relay_url of ['http://relay.example', 'relay.example', 'ws://', 'wss:///ws'])
    assert.deepEqual(problem({ relay_url })?.path, ['relay_url'], relay_url)
  assert.equal(problem({ relay_url: ' WSS://relay.example:8443' }), undefined)
})
