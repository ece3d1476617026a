import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { secretIn, TEST_SECRET } from '#dev/harness/secrets.ts'
import { parseSections, readConfigFile } from '#lib/config.ts'
import { relayAddress, shownAddress } from '#lib/http/relay-address.ts'
import { config } from '#services/relay-bridge/config.ts'
import { authHeaders, sign } from '#services/relay-bridge/connection/credentials.ts'
import { fakeRelay } from '#test/helpers/fake-relay.ts'
import { temporaryFolder } from '#test/helpers/folder.ts'
import { online, startBridge } from './bridge.ts'
import { startCloud } from './cloud-bridge.ts'

const CREDENTIALS = 'robot:pass-93be20@'
const QUERY = '?token=tok-4d1f77&device_id=x'
const withCredentials = (url: string) => `${url.replace('//', `//${CREDENTIALS}`)}${QUERY}`

/** No line of the log, and no message of the link, tells a secret. */
function assertSilent(started: Awaited<ReturnType<typeof startBridge>>): void {
  assert.equal(started.memory.log.level, 'trace')
  assert.ok(started.memory.logged.length > 0)
  for (const line of started.memory.logged) assert.equal(secretIn(JSON.stringify(line)), undefined)
  assert.ok(started.link.all.length > 0)
  for (const { payload } of started.link.all) assert.equal(secretIn(JSON.stringify(payload)), undefined)
}

test('the detector of secrets finds them', () => {
  const { 'X-Signature': signature } = authHeaders({ deviceId: 'd', secret: TEST_SECRET }, 'id')
  for (const text of [TEST_SECRET, `{"a":"${signature}"}`, signature?.toUpperCase(), 'x pass-93be20 x']) {
    assert.notEqual(secretIn(text ?? ''), undefined, text)
  }
  assert.equal(secretIn('{"id":"0123456789abcdef0123456789abcdef","msg":"started"}'), undefined)
})

test('a refused robot does not log the credentials of its address', async (t) => {
  const relay = await fakeRelay(t)
  for (const status of [401, 403, 404, 503]) {
    relay.refuse(status)
    const started = await startBridge(t, { url: withCredentials(relay.url) })
    const { payload } = await started.link.next({ where: ({ last_close }) => last_close?.code === status })
    assert.equal(payload.url, `${relay.url.replace('//', '//xxx:xxx@')}?token=xxx&device_id=xxx`)
    assertSilent(started)
    await started.bridge[Symbol.asyncDispose]()
  }
})

test('a relay without TLS, or that does not exist, is logged without credentials (A27)', async (t) => {
  const relay = await fakeRelay(t)
  for (const url of [
    relay.url.replace('ws:', 'wss:'),
    'ws://127.0.0.1:1/ws/device',
    'ws://no-such-host.invalid/',
  ]) {
    const started = await startBridge(t, { url: withCredentials(url) })
    const { payload } = await started.link.next({ where: ({ state }) => state === 'waiting', within: 15_000 })
    assert.notEqual(payload.last_close?.reason, '')
    assertSilent(started)
    await started.bridge[Symbol.asyncDispose]()
  }
})

test('a signature that the relay sends back, in a close reason or a frame, is not logged', async (t) => {
  const relay = await fakeRelay(t)
  const started = await startCloud(t, relay)
  const signature = String(started.socket.headers['x-signature'])
  assert.match(signature, /^[0-9a-f]{64}$/)
  started.socket.send(`{"type":"${signature}"}`)
  started.socket.send({ type: `a/${signature}` })
  started.socket.send({ type: 'webrtc_answer', session_id: signature, sdp: 5 })
  started.socket.send({ type: 'webrtc_ice', session_id: 'S', candidate: { sdpMLineIndex: signature } })
  await started.settled()
  started.socket.socket.close(4001, `bad signature ${signature}`)
  await started.link.next({ where: ({ last_close }) => last_close?.code === 4001 })
  await started.bridge[Symbol.asyncDispose]()
  assertSilent(started)
})

test('a whole connection logs no secret at any level', async (t) => {
  const relay = await fakeRelay(t)
  const started = await startBridge(t, { url: withCredentials(relay.url) })
  const socket = await relay.robot()
  await started.link.next(online)
  socket.send('{')
  socket.send({ type: 'never_seen' })
  socket.socket.terminate()
  await started.link.next({ where: ({ state }) => state === 'waiting' })
  await started.bridge[Symbol.asyncDispose]()
  assertSilent(started)
})

test('an invalid address is shown without credentials', () => {
  for (const url of [
    `https://${CREDENTIALS}relay.example/ws${QUERY}`,
    `${CREDENTIALS}relay.example${QUERY}`,
    `relay.example:8000/ws${QUERY}`,
    `//${CREDENTIALS}relay.example`,
    `ws://${CREDENTIALS}[broken${QUERY}`,
    `mailto:pass-93be20@relay.example`,
  ]) {
    assert.throws(
      () => relayAddress(url, undefined),
      (err: Error) =>
        secretIn(err.message) === undefined && err.message.startsWith('cloud.relay_url: expected'),
      url,
    )
    assert.equal(secretIn(shownAddress(url)), undefined)
  }
  assert.equal(shownAddress('wss://api.wimzai.com/ws/device'), 'wss://api.wimzai.com/ws/device')
})

test('an error beside the secret names the key, not the value', (t) => {
  const folder = temporaryFolder(t)
  const path = join(folder, 'robot.yaml')
  const mistakes = [
    `cloud:\n  device_secret: ${TEST_SECRET}: x\n`,
    `cloud:\n  device_secret: *${TEST_SECRET}\n`,
    `cloud: { device_secret: "${TEST_SECRET} }\n`,
    `cloud:\n  device_secret: abc\n ${TEST_SECRET}\n`,
    `cloud:\n  device_secret: @${TEST_SECRET}\n`,
    `cloud: { device_id: x, device_secret:${TEST_SECRET} }\n`,
    `cloud: { device_secret: [${TEST_SECRET}] }\n`,
    `cloud: { device_secret: { ${TEST_SECRET}: 1 } }\n`,
    `cloud: { enabled: ${TEST_SECRET} }\n`,
    `cloud: { reconnect_delay: ${TEST_SECRET} }\n`,
    `cloud: ${TEST_SECRET}\n`,
    `${TEST_SECRET}\n`,
  ]
  for (const text of mistakes) {
    writeFileSync(path, text)
    assert.throws(
      () => parseSections(readConfigFile(path, {}), config),
      (err: Error) => {
        assert.equal(err.name, 'ConfigError', err.message)
        assert.equal(secretIn(err.message), undefined, err.message)
        assert.ok(err.message.includes('robot.yaml'), err.message)
        return true
      },
      text,
    )
  }
})

test('the detector finds the signatures of the test vectors', () => {
  assert.notEqual(secretIn(`signed ${sign('unit-test-secret', 'wimz_robot_99')}`), undefined)
})
