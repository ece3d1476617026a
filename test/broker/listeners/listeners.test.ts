import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { connect as connectTls, type SecureVersion } from 'node:tls'
import { WebSocket } from 'ws'
import { BrokerSection } from '#broker/config.ts'
import { until } from '#dev/harness/until.ts'
import { ConfigError } from '#lib/config-error.ts'
import { certify } from '#test/helpers/certify.ts'
import { temporaryFolder } from '#test/helpers/folder.ts'
import { without } from '#test/helpers/tools.ts'
import * as raw from '../protocol/raw-client.ts'
import { startUsersBroker, TESTER } from '../users-broker.ts'

const skip = without('openssl')

async function secured(t: TestContext, options: { pollInterval?: number } = {}) {
  const folder = temporaryFolder(t)
  const files = certify(folder, 'first')
  const host = '127.0.0.1'
  const listeners = [
    { type: 'mqtts', host, port: 0, ...files },
    { type: 'wss', host, port: 0, ...files },
    { type: 'ws', host, port: 0 },
  ]
  const stage = await startUsersBroker(t, { broker: { listeners }, ...options })
  const urls = stage.broker.listeners.map(({ type, port }) => `${type}://127.0.0.1:${port}`)
  return { ...stage, urls, folder, ca: readFileSync(files.cert) }
}

test('a message is delivered between all kinds of listeners', { skip }, async (t) => {
  const { connect, urls, ca } = await secured(t)
  assert.equal(urls.length, 4)
  const received: string[] = []
  const clients = await Promise.all(
    urls.map(async (url) => {
      const client = await connect(TESTER, { url, ca })
      client.on('message', (_topic, payload) => received.push(`${payload} > ${url}`))
      await client.subscribeAsync('wimz/event/x', { qos: 1 })
      return client
    }),
  )
  for (const [i, client] of clients.entries()) {
    await client.publishAsync('wimz/event/x', `${urls[i]}`, { qos: 1 })
  }
  await until(() => received.length >= 16, { show: () => received })
  assert.equal(new Set(received).size, 16)
})

test('a client with TLS 1.1 is rejected', { skip }, async (t) => {
  const { broker, ca } = await secured(t)
  for (const { port } of broker.listeners.filter(({ type }) => type === 'mqtts' || type === 'wss')) {
    const handshake = async (maxVersion: SecureVersion) => {
      // OpenSSL refuses the old ciphers at its own default level
      const ciphers = 'DEFAULT@SECLEVEL=0'
      const socket = connectTls({ host: '127.0.0.1', port, ca, minVersion: 'TLSv1', maxVersion, ciphers })
      t.after(() => socket.destroy())
      await once(socket, 'secureConnect')
      return socket.getProtocol()
    }
    assert.equal(await handshake('TLSv1.2'), 'TLSv1.2')
    await assert.rejects(handshake('TLSv1.1'), /protocol version/)
  }
})

test('a listener that other machines reach in clear text is a warning in the log', { skip }, async (t) => {
  const files = certify(temporaryFolder(t), 'first')
  const listeners = ['mqtt', 'ws', 'mqtts', 'wss'].map((type) => ({
    ...{ type, host: '0.0.0.0', port: 0 },
    ...(type.endsWith('s') && type !== 'ws' ? files : {}),
  }))
  const { logged } = await startUsersBroker(t, { broker: { listeners } })
  const warned = logged.filter(({ msg }) =>
    String(msg).startsWith('passwords cross this network unencrypted'),
  )
  assert.deepEqual(
    warned.map(({ type }) => type),
    ['mqtt', 'ws'],
  )
})

test('clients without a user name are rejected on every additional listener', {
  skip,
}, async (t) => {
  const { connect, urls, ca } = await secured(t)
  for (const url of urls.slice(1)) await assert.rejects(connect(undefined, { url, ca }), { code: 5 }, url)
})

test('SIGHUP loads the new certificate and keeps open connections', { skip }, async (t) => {
  const { broker, connect, urls, ca, folder, logged } = await secured(t)
  const [, url = ''] = urls
  const before = await connect('vision', { url, ca })
  const { port } = new URL(url)
  assert.equal(await certificateOf(Number(port)), 'first')
  certify(folder, 'second')
  process.kill(process.pid, 'SIGHUP')
  await until(async () => (await certificateOf(Number(port))) === 'second', { show: () => logged })
  await connect('webrtc', { url, ca: readFileSync(join(folder, 'cert.pem')) })
  execFileSync('rm', [join(folder, 'cert.pem')])
  broker.reload()
  assert.ok(logged.some(({ msg }) => String(msg).startsWith('certificate reload failed')))
  assert.equal(await certificateOf(Number(port)), 'second')
  assert.ok(before.connected)
})

test('a renewed certificate is loaded without a signal, an expired one or one of another key is refused', {
  skip,
}, async (t) => {
  const { urls, folder, logged } = await secured(t, { pollInterval: 20 })
  const port = Number(new URL(urls[1] ?? '').port)
  const failures = () =>
    logged.filter(({ msg }) => String(msg).startsWith('certificate reload failed')).length
  certify(folder, 'second')
  await until(async () => (await certificateOf(port)) === 'second', { show: () => logged })
  const key = readFileSync(join(folder, 'key.pem'))
  certify(folder, 'other')
  writeFileSync(join(folder, 'key.pem'), key)
  await until(() => failures() > 0, { show: () => logged })
  assert.equal(await certificateOf(port), 'second')
  const before = failures()
  t.mock.timers.enable({ apis: ['Date'], now: Date.now() + 3 * 86_400_000 })
  certify(folder, 'expired')
  await until(() => failures() > before, { show: () => logged })
  assert.equal(await certificateOf(port), 'second')
})

test('a missing certificate is a configuration error that names the file', async (t) => {
  const listeners = [
    { type: 'mqtts', host: '127.0.0.1', port: 0, cert: '/nowhere/cert.pem', key: '/nowhere/key.pem' },
  ]
  await assert.rejects(
    startUsersBroker(t, { broker: { listeners } }),
    (err) =>
      err instanceof ConfigError && /cert \/nowhere\/cert.pem cannot be read \(ENOENT\)/.test(err.message),
  )
})

test('TLS without certificate, and a certificate without TLS, are configuration errors', () => {
  const listener = { host: '::', port: 8883 }
  for (const type of ['mqtts', 'wss']) {
    assert.throws(() => BrokerSection.parse({ listeners: [{ type, ...listener }] }), /need cert and key/)
  }
  assert.throws(
    () => BrokerSection.parse({ listeners: [{ type: 'mqtt', ...listener, cert: 'a', key: 'b' }] }),
    /need cert and key/,
  )
})

test('a page of another site cannot connect by WebSocket, unless its origin is configured', async (t) => {
  const ws_origins = ['https://dashboard.example']
  const { broker } = await startUsersBroker(t, { broker: { ws_port: 0, ws_origins } })
  const port = broker.listeners[1]?.port
  const statusOf = async (headers: Record<string, string>) => {
    const url = `http://127.0.0.1:${port}/`
    const upgrade = { Connection: 'Upgrade', Upgrade: 'websocket', 'Sec-WebSocket-Version': '13' }
    const key = { 'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==', 'Sec-WebSocket-Protocol': 'mqtt' }
    const asked = request(url, { headers: { ...upgrade, ...key, ...headers } })
    asked.end()
    const [response, socket] = await Promise.race([once(asked, 'upgrade'), once(asked, 'response')])
    socket?.destroy()
    return response.statusCode
  }
  assert.equal(await statusOf({ Origin: 'https://evil.example' }), 401)
  assert.equal(await statusOf({ Origin: 'http://evil.example', Host: `evil.example:${port}` }), 401)
  assert.equal(await statusOf({ Origin: 'https://dashboard.example' }), 101)
  assert.equal(await statusOf({ Origin: 'http://127.0.0.1:3000' }), 101)
  assert.equal(await statusOf({}), 101)
})

/** Sends frames over a WebSocket; resolves to what the broker sent before `bytes` were received or the connection ended. */
async function exchange(
  port: number | undefined,
  frames: (string | Buffer)[],
  bytes: number,
): Promise<string> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}`, 'mqtt')
  await once(socket, 'open')
  let received = Buffer.alloc(0)
  const { promise, resolve } = Promise.withResolvers<void>()
  socket.on('message', (chunk: Buffer) => {
    received = Buffer.concat([received, chunk])
    if (received.length >= bytes) resolve()
  })
  socket.on('close', () => resolve())
  socket.on('error', () => {})
  for (const frame of frames) socket.send(frame)
  await promise
  const isOpen = socket.readyState === WebSocket.OPEN
  socket.terminate()
  return `${received.toString('hex')}${isOpen ? '' : ' closed'}`
}

test('[MQTT-6.0.0-1] [MQTT-6.0.0-2] text frames end the connection; packets may be split over frames, and share one', async (t) => {
  const { broker, passwordOf } = await startUsersBroker(t, { broker: { ws_port: 0 } })
  const port = broker.listeners[1]?.port
  const login = { username: 'vision', password: passwordOf('vision') }
  const hello = raw.connect(login)
  assert.equal(await exchange(port, [hello.toString('latin1')], 4), ' closed')
  // the CONNACK may be lost with the connection
  assert.match(await exchange(port, [hello, raw.PINGREQ.toString('latin1')], 6), /^(20020000)? closed$/)
  const pieces = Array.from(hello, (_, i) => hello.subarray(i, i + 1))
  assert.equal(await exchange(port, [...pieces, raw.PINGREQ], 6), '20020000d000')
  assert.equal(
    await exchange(port, [Buffer.concat([hello, raw.PINGREQ, raw.PINGREQ])], 8),
    '20020000d000d000',
  )
})

test('[MQTT-6.0.0-4] the subprotocol mqtt is selected, whatever else the client offers', async (t) => {
  const { broker } = await startUsersBroker(t, { broker: { ws_port: 0 } })
  const selected = async (offered: string[]) => {
    const socket = new WebSocket(`ws://127.0.0.1:${broker.listeners[1]?.port}`, offered)
    socket.on('error', () => {})
    await once(socket, 'open')
    socket.terminate()
    return socket.protocol
  }
  assert.equal(await selected(['mqtt']), 'mqtt')
  assert.equal(await selected(['mqttv3.1', 'chat', 'mqtt']), 'mqtt')
  assert.equal(await selected(['mqttv3.1']), 'mqttv3.1')
})

test('a browser gets a hint to use an MQTT client', async (t) => {
  const { broker } = await startUsersBroker(t, { broker: { ws_port: 0 } })
  const response = await fetch(`http://127.0.0.1:${broker.listeners[1]?.port}/`)
  assert.equal(response.status, 426)
  assert.match(await response.text(), /MQTT over WebSocket/)
})

function certificateOf(port: number): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const socket = connectTls({ host: '127.0.0.1', port, rejectUnauthorized: false }, () => {
      resolve(socket.getPeerCertificate().subject.CN)
      socket.destroy()
    })
    socket.on('error', reject)
  })
}
