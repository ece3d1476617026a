import assert from 'node:assert/strict'
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync, statSync, writeFileSync } from 'node:fs'
import type { IncomingMessage } from 'node:http'
import { get } from 'node:https'
import { connect } from 'node:net'
import { networkInterfaces } from 'node:os'
import { test } from 'node:test'
import { connect as connectTls } from 'node:tls'
import { WebSocket } from 'ws'
import { until } from '#dev/harness/until.ts'
import { isPrivate, toHttps } from '#dev/relay/tls/https-only.ts'
import { ensureOwnCertificate, ownCertificatePath } from '#dev/relay/tls/own-certificate.ts'
import { certify } from '#test/helpers/certify.ts'
import { temporaryFolder } from '#test/helpers/folder.ts'
import { refusal, relayFor, statusOf } from './peers.ts'

const TOKEN = 'let-me-in'
const NAMES = ['robot.local', 'localhost', '127.0.0.1', '::1']
const DAY_MS = 86_400_000

/** Status of a GET over HTTPS with a certificate that `ca` vouches for. */
async function secureStatus(
  port: number,
  path: string,
  ca: string,
  headers = {},
): Promise<number | undefined> {
  const [response] = (await once(
    get({ host: '127.0.0.1', port, path, ca, headers, agent: false }),
    'response',
  )) as [IncomingMessage]
  response.resume()
  return response.statusCode
}

/** Fingerprint of the certificate that a port shows. */
async function shownBy(port: number): Promise<string> {
  const socket = connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false })
  await once(socket, 'secureConnect')
  const { fingerprint256 } = socket.getPeerCertificate()
  socket.destroy()
  return fingerprint256
}

test('the own certificate is for these names, for servers, and with its key readable by this user alone', async (t) => {
  const dataDir = temporaryFolder(t)
  const { pem, isNew } = await ensureOwnCertificate(dataDir, NAMES)
  assert.ok(isNew)
  const path = ownCertificatePath(dataDir)
  assert.equal(readFileSync(path, 'utf8'), pem)
  assert.equal(statSync(path).mode & 0o777, 0o600)
  const certificate = new X509Certificate(pem)
  assert.ok(certificate.checkPrivateKey(createPrivateKey(pem)))
  assert.ok(certificate.verify(certificate.publicKey))
  assert.equal(certificate.ca, false)
  assert.deepEqual(certificate.keyUsage, ['1.3.6.1.5.5.7.3.1'])
  for (const name of NAMES.slice(0, 2)) assert.equal(certificate.checkHost(name), name)
  for (const address of NAMES.slice(2)) assert.equal(certificate.checkIP(address), address)
  assert.equal(certificate.checkHost('other.local'), undefined)
  const days = (Date.parse(certificate.validTo) - Date.now()) / DAY_MS
  assert.ok(days > 800 && days < 825, String(days))
})

test('it stays the same until it ends soon, a name is missing, the clock is before it, or it is damaged', async (t) => {
  const dataDir = temporaryFolder(t)
  const fingerprint = async (names = NAMES, now = Date.now()) => {
    const { pem } = await ensureOwnCertificate(dataDir, names, now)
    return new X509Certificate(pem).fingerprint256
  }
  const first = await fingerprint()
  assert.equal(await fingerprint(), first)
  assert.equal(await fingerprint(NAMES.slice(1)), first, 'fewer names')
  assert.equal(await fingerprint(NAMES, Date.now() + 780 * DAY_MS), first)
  const renewed = await fingerprint(NAMES, Date.now() + 795 * DAY_MS)
  assert.notEqual(renewed, first)
  const now = await fingerprint()
  assert.notEqual(now, renewed, 'the clock was ahead')
  const moved = await fingerprint(['robot.local', '192.168.7.9'])
  assert.notEqual(moved, now)
  assert.equal(await fingerprint(NAMES), moved, 'names of before are kept')
  writeFileSync(ownCertificatePath(dataDir), 'damaged')
  assert.notEqual(await fingerprint(), moved)
  assert.equal(statSync(ownCertificatePath(dataDir)).mode & 0o777, 0o600)
})

test('with more names than fit, it has the first ones and stays the same', async (t) => {
  const dataDir = temporaryFolder(t)
  const names = Array.from({ length: 40 }, (_, i) => `10.0.0.${i}`)
  const { pem } = await ensureOwnCertificate(dataDir, names)
  assert.equal(new X509Certificate(pem).checkIP('10.0.0.31'), '10.0.0.31')
  assert.deepEqual(await ensureOwnCertificate(dataDir, names), { pem, isNew: false })
})

test('HTTP and HTTPS on one port: page, login and WebSocket, the same certificate after a restart', async (t) => {
  const dataDir = temporaryFolder(t)
  const section = { https: true, token: TOKEN }
  const { relay, address, robot } = await relayFor(t, section, {}, dataDir)
  const pem = readFileSync(ownCertificatePath(dataDir), 'utf8')
  assert.equal(await statusOf(address, '/health'), 200, 'HTTP on this machine')
  assert.equal(await secureStatus(relay.port, '/health', pem), 200)
  assert.equal(await secureStatus(relay.port, '/', pem), 403)
  const device = await robot()
  const Authorization = `Bearer ${TOKEN}`
  assert.equal(await secureStatus(relay.port, '/', pem, { Authorization }), 200)
  const app = new WebSocket(`wss://127.0.0.1:${relay.port}/ws/app`, { ca: pem, headers: { Authorization } })
  t.after(() => app.terminate())
  await once(app, 'open')
  app.send(JSON.stringify({ type: 'session_hello', session_id: 'S' }))
  await device.next(({ type }) => type === 'user_connected')
  const shown = await shownBy(relay.port)
  assert.equal(shown, new X509Certificate(pem).fingerprint256)
  const closed = once(app, 'close')
  await relay[Symbol.asyncDispose]()
  assert.equal((await closed)[0], 1012)
  const again = await relayFor(t, section, {}, dataDir)
  assert.equal(await shownBy(again.relay.port), shown)
})

test('clients that send nothing, half a handshake or rubbish keep no other out, and the relay stops', async (t) => {
  const { relay, address } = await relayFor(t, { https: true, token: TOKEN })
  const beginnings = ['', '\x16', '\x16\x03\x01\x02\x00\x01', 'GET / HT', '\x00\xff', '\x80']
  for (let i = 0; i < 300; i++) {
    const socket = connect(relay.port, '127.0.0.1')
    socket.on('error', () => {})
    t.after(() => socket.destroy())
    socket.write(beginnings[i % beginnings.length] ?? '')
    if (i % 7 === 0) socket.end()
  }
  await until(async () => (await statusOf(address, '/health')) === 200, { deadline: 30_000 })
  assert.match(await shownBy(relay.port), /^[\dA-F:]{95}$/)
})

test('a WebSocket over HTTPS keeps its place while other connections are displaced', async (t) => {
  const dataDir = temporaryFolder(t)
  const { relay } = await relayFor(t, { https: true, token: TOKEN }, {}, dataDir)
  const ca = readFileSync(ownCertificatePath(dataDir), 'utf8')
  const app = new WebSocket(`wss://127.0.0.1:${relay.port}/ws/app?token=${TOKEN}`, { ca })
  t.after(() => app.terminate())
  await once(app, 'open')
  const others = Array.from({ length: 300 }, () => connect(relay.port, '127.0.0.1').on('error', () => {}))
  t.after(() => {
    for (const one of others) one.destroy()
  })
  await Promise.all(others.map((one) => once(one.resume(), 'connect')))
  await until(() => others.some((one) => one.closed), { deadline: 30_000 })
  app.send(JSON.stringify({ type: 'session_hello', session_id: 'S' }))
  await once(app, 'message')
})

test('HTTP from another machine is sent to HTTPS, or refused', async (t) => {
  const from = (remoteAddress: string, encrypted = false) =>
    isPrivate({ socket: { remoteAddress, encrypted } as never })
  assert.deepEqual(
    [from('127.0.0.1'), from('::1'), from('::ffff:127.0.0.1'), from('192.168.1.2', true)],
    [true, true, true, true],
  )
  assert.deepEqual([from('192.168.1.2'), from('::ffff:192.168.1.2'), from('fe80::1')], [false, false, false])
  const sent = (method: string, url: string, host?: string) =>
    toHttps({ method, url, headers: { host } } as never)
  const { status, headers } = sent('GET', '/?device=5', 'robot.local:8080')
  assert.deepEqual([status, headers?.Location], [307, 'https://robot.local:8080/?device=5'])
  for (const [method, url, host] of [
    ['POST', '/login', 'robot.local:8080'],
    ['GET', '/', undefined],
    ['GET', '/', 'a b'],
    ['GET', 'http://evil.example/', 'robot.local'],
  ] as const)
    assert.equal(sent(method, url, host).status, 403, `${method} ${url} ${host}`)
  assert.equal(
    URL.parse(sent('GET', '//evil.example/x', 'robot.local').headers?.Location ?? '')?.host,
    'robot.local',
  )
  const [lan] = Object.values(networkInterfaces()).flatMap(
    (one) => one?.filter(({ family, internal }) => family === 'IPv4' && !internal) ?? [],
  )
  if (!lan) return t.diagnostic('no address of a network: HTTP from another machine not tried')
  const options = { https: true, token: TOKEN, host: '0.0.0.0', discovery: false }
  const { relay } = await relayFor(t, options)
  const address = `${lan.address}:${relay.port}`
  assert.equal(await statusOf(address, '/health'), 307)
  assert.equal(await refusal(`ws://${address}/ws/app?token=${TOKEN}`), 403)
  assert.equal(await refusal(`ws://${address}/ws/device`), 403)
  const open = await relayFor(t, { ...options, https: false })
  assert.equal(await statusOf(`${lan.address}:${open.relay.port}`, '/health'), 200, 'without https as before')
})

test('given files are used, and read again when they change', async (t) => {
  const folder = temporaryFolder(t)
  const files = certify(folder, 'one')
  const { relay } = await relayFor(t, { https: true, ...files })
  const fingerprint = () => new X509Certificate(readFileSync(files.cert)).fingerprint256
  const first = fingerprint()
  assert.equal(await shownBy(relay.port), first)
  certify(folder, 'two')
  assert.notEqual(fingerprint(), first)
  await until(async () => (await shownBy(relay.port)) === fingerprint(), { deadline: 30_000, every: 500 })
})

test('files that do not fit together, or are missing, end the start with their key', async (t) => {
  const folder = temporaryFolder(t)
  const { cert } = certify(folder, 'one')
  const { key } = certify(folder, 'two', 'other-')
  await assert.rejects(
    relayFor(t, { https: true, cert, key }),
    /local_relay.cert and local_relay.key do not fit/,
  )
  await assert.rejects(relayFor(t, { https: true, cert: `${folder}/none`, key }), /local_relay.cert .*ENOENT/)
  writeFileSync(`${folder}/file`, '')
  await assert.rejects(
    relayFor(t, { https: true }, {}, `${folder}/file`),
    /local_relay: cannot create .*https\.pem/,
  )
})
