import assert from 'node:assert/strict'
import { test } from 'node:test'
import { topics } from '#bus/topics.ts'
import { collect } from '#dev/harness/collect.ts'
import { freePorts } from '#dev/harness/ports.ts'
import { TEST_SECRET } from '#dev/harness/secrets.ts'
import { startStack } from '#dev/harness/stack.ts'
import { LocalRelaySection } from '#dev/relay/config.ts'
import { startRelay } from '#dev/relay/index.ts'
import { createLogger } from '#lib/logger.ts'
import { temporaryFolder } from '#test/helpers/folder.ts'
import { noTurnServer, startTurnServer } from '#test/webrtc/ice/turn-server.ts'
import { runDoctor, statusOf, writeConfig } from './run-doctor.ts'

test('a stopped robot: its camera is opened, its relay connected, and wrong credentials are reported', async (t) => {
  const folder = temporaryFolder(t)
  const [unused = 0] = await freePorts(1)
  const cloud = { device_id: 'wimz_test', device_secret: TEST_SECRET }
  const config = { local_relay: LocalRelaySection.parse({ port: 0 }), cloud }
  await using relay = await startRelay({ config, log: createLogger('relay', { write: () => {} }) })
  const runChecks = (secret: string) => {
    const sections = {
      cloud: { ...cloud, relay_url: `ws://127.0.0.1:${relay.port}`, device_secret: secret },
      webrtc: { stun_servers: [], video: { width: 320, height: 240 } },
      vision: { source: { type: 'synthetic' }, detector: { enabled: false } },
      bus: { url: `mqtt://127.0.0.1:${unused}` },
      data_dir: folder,
    }
    return runDoctor(writeConfig(folder, sections))
  }
  const wrong = await runChecks('not-the-secret')
  assert.equal(wrong.code, 1)
  assert.equal(statusOf(wrong.report, 'bus'), 'failure')
  // a busy machine may paint too few pictures a second, and is report so
  assert.notEqual(statusOf(wrong.report, 'camera'), 'failure', wrong.output)
  assert.match(wrong.output, /synthetic: 320x240/)
  assert.equal(statusOf(wrong.report, 'clock'), 'ok', wrong.output)
  assert.equal(statusOf(wrong.report, 'relay credentials'), 'failure', wrong.output)
  assert.ok(!wrong.output.includes('not-the-secret'))
  const right = await runChecks(TEST_SECRET)
  assert.equal(statusOf(right.report, 'relay credentials'), 'ok', right.output)
  const pairing = await fetch(`http://127.0.0.1:${relay.port}/debug/pairing`)
  assert.deepEqual((await pairing.json()) as object, { robot_connections: [], app_connections: 0 })
})

test('a robot that is connected from another machine is not superseded', async (t) => {
  const folder = temporaryFolder(t)
  const [unused = 0] = await freePorts(1)
  await using stack = await startStack()
  const links = await collect(await stack.join(), topics.link)
  await links.next({ where: ({ connected }) => connected, within: 15_000 })
  const before = links.all.length
  const { output, report } = await runDoctor(
    writeConfig(folder, {
      cloud: {
        relay_url: `ws://127.0.0.1:${stack.relayPort}`,
        device_id: 'wimz_test',
        device_secret: TEST_SECRET,
      },
      webrtc: { stun_servers: [] },
      vision: { source: { type: 'synthetic' }, detector: { enabled: false } },
      bus: { url: `mqtt://127.0.0.1:${unused}` },
      data_dir: folder,
    }),
  )
  const credentials = report.findings.find(({ check }) => check === 'relay credentials')
  assert.equal(credentials?.status, 'warning', output)
  assert.match(credentials?.message ?? '', /not tried: the relay has a connection of this robot/)
  assert.ok(links.all.slice(before).every(({ payload }) => payload.connected))
})

test('TURN allocations over UDP, TCP and TLS are tried; a wrong account is a failure', {
  skip: noTurnServer(),
}, async (t) => {
  const server = await startTurnServer(t, ['-v'])
  const [unused = 0] = await freePorts(1)
  const folder = temporaryFolder(t)
  const iceServers = [server.over('udp'), server.over('tcp'), server.over('tls')]
  const stunServer = server.over('udp').urls.replace('turn:', 'stun:').replace('?transport=udp', '')
  const path = writeConfig(folder, {
    cloud: { enabled: false },
    webrtc: { stun_servers: [stunServer], ice: { tls_insecure: true } },
    vision: { source: { type: 'synthetic' }, detector: { enabled: false } },
    bus: { url: `mqtt://127.0.0.1:${unused}` },
    data_dir: folder,
  })
  const returned = server.said('refreshed, realm=<test>, username=<robot>, lifetime=0', 60_000)
  const good = await runDoctor(path, ['--json', '--ice-servers', JSON.stringify(iceServers)])
  const turn = good.report.findings.filter(({ check }) => check.startsWith('TURN'))
  assert.deepEqual(
    turn.map(({ check, status }) => [check.split(' ').at(-1), status]).toSorted(),
    [
      ['tcp', 'ok'],
      ['tls', 'ok'],
      ['udp', 'ok'],
    ],
    good.output,
  )
  const stun = good.report.findings.find(({ check }) => check.startsWith('STUN'))
  assert.equal(stun?.status, 'ok', good.output)
  await returned
  const spoiled = iceServers.map((server) => ({ ...server, credential: 'planted-secret' }))
  const bad = await runDoctor(path, ['--json', '--ice-servers', JSON.stringify(spoiled)])
  const refused = bad.report.findings.filter(({ check }) => check.startsWith('TURN'))
  assert.ok(refused.length === 3 && refused.every(({ status }) => status === 'failure'), bad.output)
  assert.doesNotMatch(bad.output, /planted-secret/)
})
