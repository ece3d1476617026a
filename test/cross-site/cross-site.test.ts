import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { isTls, LISTENER_TYPES } from '#broker/config.ts'
import { freePorts } from '#dev/harness/ports.ts'
import { servedPaths } from '#dev/relay/page-server.ts'
import { SOCKET_PATHS } from '#dev/relay/upgrade.ts'
import { MetricsSection } from '#lib/config-schema.ts'
import { UnframedBytes } from '#lib/media/unframed-bytes.ts'
import { PROJECT_ROOT } from '#lib/version.ts'
import { startMetrics } from '#services/metrics/index.ts'
import { HttpClient } from '#services/vision/camera/sources/http/http-client.ts'
import { HttpGateway } from '#services/vision/camera/sources/http/http-gateway.ts'
import { certify } from '#test/helpers/certify.ts'
import { temporaryFolder } from '#test/helpers/folder.ts'
import { memoryBus } from '#test/helpers/memory-bus.ts'
import { without } from '#test/helpers/tools.ts'
import { startUsersBroker } from '../broker/users-broker.ts'
import { ROBOT, relayFor, SECRET } from '../dev/peers.ts'
import { FORMS, type Form } from './forms.ts'
import { get, post, type Reply, upgrade } from './requests.ts'

/** Files of the product that open a port, and where each is attacked. */
const OPENERS: Readonly<Record<string, string>> = {
  'broker/listeners/listeners.ts': 'test/cross-site/cross-site.test.ts',
  'dev/relay/index.ts': 'test/cross-site/cross-site.test.ts',
  'dev/relay/server.ts': 'test/cross-site/cross-site.test.ts',
  'dev/relay/tls/one-port.ts': 'test/dev/https.test.ts',
  'services/metrics/index.ts': 'test/cross-site/cross-site.test.ts',
  'services/vision/camera/sources/http/http-gateway.ts': 'test/cross-site/cross-site.test.ts',
  'lib/media/rtsp-gateway.ts': 'test/lib/media/rtsp-gateway.test.ts',
  // a Unix socket, which the local relay passes requests on to
  'services/recorder/history/start.ts': 'test/dev/history/history-proxy.test.ts',
  // UDP
  'dev/relay/discovery.ts': 'test/dev/discovery.test.ts',
  'lib/media/rtp-relay.ts': 'test/lib/media/rtp-relay.test.ts',
  'services/webrtc/ice/gathering.ts': 'test/webrtc/werift-patches/stun-guard.test.ts',
  // for the time of one connection of its own, under a random name
  'lib/media/program.ts': 'test/lib/media/program.test.ts',
}
const OPENING =
  /\b(createServer|createSocket|createHttpServer|createHttpsServer|createTlsServer)\(|new (WebSocketServer|Server)\(/

const TOKEN = 'viewer-token-7'
const TURN = { urls: 'turn:turn.example', username: 'turn-user', credential: 'turn-credential' }
const SECRETS = [TOKEN, TURN.username, TURN.credential, SECRET, ROBOT, 'process_', 'robot_connections']
const SIGNATURE = createHmac('sha256', SECRET).update(ROBOT).digest('hex')
/** Without the token: what the page loads, and the health check. */
const PUBLIC = /^\/(health|login|offline\.html|[\w-]+\.(js|css|svg|png|webmanifest))$/

type Access = 'nothing' | 'wrong' | 'right'

function assertNothing({ text }: Reply, row: string): void {
  for (const secret of SECRETS) assert.ok(!text.includes(secret), `${row}: ${text}`)
}

/** The relay with a robot that must keep its place; a row that passes must not be a device. */
async function stage(t: TestContext, token: string | undefined) {
  const relay = await relayFor(t, { ...(token && { token }), ice_servers: [TURN] })
  const robot = await relay.robot()
  return { target: { port: relay.relay.port }, robot }
}

test('each file that opens a port is in this table', () => {
  const files = globSync('{broker,bus,commands,lib,services,dev/relay,doctor}/**/*.ts', { cwd: PROJECT_ROOT })
  const found = files.filter((file) => OPENING.test(readFileSync(join(PROJECT_ROOT, file), 'utf8')))
  assert.deepEqual(found.sort(), Object.keys(OPENERS).sort())
  for (const path of Object.values(OPENERS)) readFileSync(join(PROJECT_ROOT, path))
})

const WITH_TOKEN: Record<Access, string> = {
  nothing: '',
  wrong: '?token=viewer-token-8',
  right: `?token=${TOKEN}`,
}

function statusOf(path: string, form: Form, isAllowed: boolean): number {
  if (!form.get) return 403
  if (!servedPaths().includes(path)) return 404
  return isAllowed || PUBLIC.test(path) ? 200 : 403
}

for (const token of [undefined, TOKEN]) {
  const given: readonly Access[] = token ? ['nothing', 'wrong', 'right'] : ['nothing']
  const kind = token ? 'with' : 'without'

  test(`local relay ${kind} a token: every path, every form of Host and Origin`, async (t) => {
    const { target, robot } = await stage(t, token)
    const attack = async (path: string, access: Access, form: Form) => {
      const reply = await get(target, `${path}${WITH_TOKEN[access]}`, form)
      const row = `${path} ${access} ${form.name}`
      assert.equal(reply.status, statusOf(path, form, !token || access === 'right'), row)
      assert.match(reply.text, /^cross-origin-resource-policy: same-origin\r$/im, row)
      if (reply.status !== 200) assertNothing(reply, row)
    }
    for (const path of [...servedPaths(), '/debug', '/unknown'])
      for (const access of PUBLIC.test(path) ? given.slice(0, 1) : given)
        await Promise.all(FORMS.map((form) => attack(path, access, form)))
    assert.ok(robot.socket.readyState === robot.socket.OPEN)
  })

  test(`local relay ${kind} a token: no app from another site, no TURN credentials`, async (t) => {
    const { target, robot } = await stage(t, token)
    for (const access of given)
      for (const form of FORMS) {
        const reply = await upgrade(target, `/ws/app${WITH_TOKEN[access]}`, form)
        const row = `/ws/app ${access} ${form.name}`
        const isAllowed = !token || access === 'right'
        assert.equal(reply.status, form.upgrade && isAllowed ? 101 : 403, row)
        assertNothing(reply, row)
      }
    assert.ok(robot.socket.readyState === robot.socket.OPEN)
  })
}

test('local relay: no page of another site takes the place of the robot', async (t) => {
  const { target, robot } = await stage(t, undefined)
  const signed: Record<Access, string> = {
    nothing: '',
    wrong: `?device_id=${ROBOT}&sig=${SIGNATURE.replace(/^./, 'x')}`,
    right: `?device_id=${ROBOT}&sig=${SIGNATURE}`,
  }
  const rows = (['nothing', 'wrong', 'right'] as const).flatMap((access) =>
    FORMS.map((form) => ({ access, form })),
  )
  const isAccepted = ({ access, form }: (typeof rows)[number]) => access === 'right' && form.upgrade
  for (const { access, form } of rows.filter((row) => !isAccepted(row))) {
    const reply = await upgrade(target, `/ws/device${signed[access]}`, form)
    assert.equal(reply.status, 403, `${access} ${form.name}`)
    assertNothing(reply, `${access} ${form.name}`)
  }
  assert.ok(robot.socket.readyState === robot.socket.OPEN)
  for (const { access, form } of rows.filter(isAccepted))
    assert.equal((await upgrade(target, `/ws/device${signed[access]}`, form)).status, 101, form.name)
  assert.deepEqual([...SOCKET_PATHS], ['/ws/device', '/ws/app'])
})

test('without Host a GET is malformed; a WebSocket is a program, as no browser leaves Host out', async (t) => {
  const { target } = await stage(t, undefined)
  const none: Form = { name: 'none', head: [], get: false, upgrade: true }
  assert.equal((await get(target, '/debug/pairing', none)).status, 400)
  assert.equal((await upgrade(target, '/ws/app', none)).status, 101)
  const page = { ...none, head: ['Origin: http://localhost:PORT'] }
  assert.equal((await upgrade(target, '/ws/app', page)).status, 403)
})

test('metrics port: every form of Host and Origin', async (t) => {
  const memory = await memoryBus(t)
  const [port = 0] = await freePorts(1)
  const bus = await memory.connect('metrics')
  const config = { metrics: MetricsSection.parse({ port }) }
  memory.use(await startMetrics({ bus, config, log: memory.log }))
  for (const form of FORMS) {
    const reply = await get({ port }, '/metrics', form)
    assert.equal(reply.status, form.get ? 200 : 403, form.name)
    if (!form.get) assertNothing(reply, form.name)
    assert.equal((await get({ port }, '/', form)).status, form.get ? 404 : 403, form.name)
  }
})

/** A CONNECT of an anonymous client, as text. */
const CONNECT = '\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01x'

async function attackBroker({ type, port }: { type: string; port: number }, form: Form): Promise<void> {
  const target = { port, tls: type === 'mqtts' || type === 'wss' }
  const row = `${type} ${form.name}`
  if (type === 'mqtt' || type === 'mqtts') {
    assert.equal((await post(target, form, CONNECT)).text, '', row)
    return
  }
  const reply = await upgrade(target, '/', form, ['Sec-WebSocket-Protocol: mqtt'])
  assert.equal(reply.status, (form.upgradeOfAnyPort ?? form.upgrade) ? 101 : 401, row)
  if (!target.tls) assert.equal((await get(target, '/', form)).status, 426, row)
}

test('broker: no page of another site logs in, on any listener', { skip: without('openssl') }, async (t) => {
  const files = certify(temporaryFolder(t), 'broker')
  const listeners = LISTENER_TYPES.map((type) => ({
    ...{ type, host: '127.0.0.1', port: 0 },
    ...(isTls(type) ? files : {}),
  }))
  const limits = { connections_per_second: 10_000, max_clients: 10_000, max_clients_per_address: 10_000 }
  const { broker } = await startUsersBroker(t, { broker: { listeners, limits } })
  for (const listener of broker.listeners) for (const form of FORMS) await attackBroker(listener, form)
})

test('gateway to an HTTP camera: nothing without the path that only FFmpeg knows', async (t) => {
  const client = new HttpClient('http://192.0.2.1/', {}, t.signal)
  const opened = { response: { destroy() {} } as never, url: new URL('http://192.0.2.1/') }
  const gateway = await HttpGateway.start(client, opened, new UnframedBytes(1))
  t.after(() => gateway[Symbol.asyncDispose]())
  const target = { port: Number(new URL(gateway.proxy).port) }
  for (const form of FORMS)
    for (const path of ['/', '/http/192.0.2.1/', '//http/192.0.2.1/', 'http://192.0.2.1/'])
      assert.equal((await get(target, path, form)).status, 404, `${path} ${form.name}`)
})
