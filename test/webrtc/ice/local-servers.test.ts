import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { networkInterfaces } from 'node:os'
import test from 'node:test'
import { topics } from '#bus/topics.ts'
import { collect } from '#dev/harness/collect.ts'
import { resolveHost } from '#services/webrtc/ice/resolve-host.ts'
import { startRobot } from '../robot.ts'

const ignore = () => undefined

test('local addresses of STUN and TURN servers are refused, in any notation, also behind a name', async () => {
  const local = ['127.0.0.1', '127.9.9.9', '0.0.0.0', '169.254.169.254', '224.0.0.1', '255.255.255.255']
  const localV6 = ['::1', '::', 'fe80::1', 'fe80::1%eth0', 'ff02::1', '::ffff:127.0.0.1', '::ffff:a9fe:a9fe']
  const embedded = ['::127.0.0.1', '::ffff:0:127.0.0.1', '64:ff9b::7f00:1', '64:ff9b:1::a9fe:a9fe']
  const tunneled = ['2002:7f00:1::1', '2002:a9fe:a9fe::', '64:ff9b::e000:1', 'fec0::1', '::ffff:0.0.0.0']
  const rare = [
    '64:ff9b:1:7f00:0:100::',
    '64:ff9b:1:2:7f:0:100:0',
    '2001:0:7f00:1::1',
    '2001:0:c000:201::80ff:fffe',
  ]
  const isatap = ['2001:db8::5efe:7f00:1', '2001:db8::200:5efe:a9fe:a9fe', '0:0:0:0:0:0:0:1', '①②⑦.⓪.⓪.①']
  const numeric = ['2130706433', '0x7f000001', '0177.0.0.1', '127.1', '0', '0xa9fea9fe']
  for (const host of [
    ...local,
    ...localV6,
    ...embedded,
    ...tunneled,
    ...rare,
    ...isatap,
    ...numeric,
    'localhost',
  ]) {
    const refused: string[] = []
    await assert.rejects(
      resolveHost(host, (name) => refused.push(name)),
      /may not name/,
      host,
    )
    assert.deepEqual(refused, [host])
    await resolveHost(host)
  }
  for (const host of [
    '192.0.2.1',
    '192.168.201.5',
    '10.201.0.1',
    '2001:db8::1',
    'fd00::1',
    '64:ff9b::c000:201',
    '64:ff9b:1::c000:201',
    '2002:c000:201::1',
    '2001:db8::5efe:c000:201',
  ]) {
    assert.equal(await resolveHost(host, ignore), host)
  }
})

test('the addresses of our own interfaces are refused like loopback', async () => {
  const own = Object.values(networkInterfaces()).flatMap((all) => all ?? [])
  assert.ok(own.length > 0)
  for (const { address } of own) await assert.rejects(resolveHost(address, ignore), /may not name/, address)
})

test('so are the IPv6 forms of them that a gateway turns into IPv4', async () => {
  const own = Object.values(networkInterfaces()).flatMap((all) => all ?? [])
  const addresses = own.filter(({ family }) => family === 'IPv4').map(({ address }) => address)
  assert.ok(addresses.length > 0)
  for (const address of addresses) {
    const hex = Buffer.from(address.split('.').map(Number)).toString('hex')
    const groups = `${hex.slice(0, 4)}:${hex.slice(4)}`
    for (const host of [`::${groups}`, `::ffff:${groups}`, `64:ff9b::${groups}`, `2002:${groups}::`])
      await assert.rejects(resolveHost(host, ignore), /may not name/, host)
  }
})

test('a refused server is logged once per request, and named in webrtc/state until the next request', async (t) => {
  const { bus, logged } = await startRobot(t, { cloud: { relay_url: 'wss://relay.example/ws/device' } })
  const states = await collect(bus, topics.webrtcState)
  const credentials = { username: 'robot', credential: 'secret' }
  await bus.publish(topics.request, {
    session_id: 'one',
    ice_servers: [
      { urls: ['stun:localhost:9', 'stun:127.0.0.1:9'] },
      { urls: ['turn:2130706433:9', 'turn:[::1]:9?transport=tcp', 'turns:127.0.0.1:9'], ...credentials },
    ],
  })
  const expected = ['127.0.0.1', '2130706433', '::1', 'localhost']
  const named = ({ refused_servers = [] }: { refused_servers?: string[] | undefined }) =>
    refused_servers.toSorted().join() === expected.join()
  await states.next({ within: 10_000, where: named })
  const lines = logged.filter(({ msg }) => String(msg).includes('server of the relay refused'))
  assert.deepEqual(lines.map(({ server }) => String(server)).toSorted(), expected)
  await bus.publish(topics.request, { session_id: 'two', ice_servers: [] })
  await states.next({ where: ({ refused_servers }) => refused_servers?.length === 0 })
})

test('a remote relay cannot make the robot query its own loopback; a relay on loopback, or the config, can', async (t) => {
  const open = async () => {
    const server = createSocket('udp4')
    t.after(() => server.close())
    server.bind(0, '127.0.0.1')
    await once(server, 'listening')
    return { server, urls: `stun:127.0.0.1:${server.address().port}` }
  }
  const [refused, named, configured] = [await open(), await open(), await open()]
  let queries = 0
  refused.server.on('message', () => queries++)
  const request = async (config: Record<string, unknown>, ice_servers: unknown) => {
    const { bus } = await startRobot(t, config)
    const offers = await collect(bus, topics.offer)
    await bus.publish(topics.request, { session_id: 'one', ice_servers })
    await offers.next({ within: 10_000 })
  }
  await request({ cloud: { relay_url: 'wss://relay.example/ws/device' } }, [{ urls: refused.urls }])
  // the others query later and in the same way: their queries arrive, so the refused one's would have
  await Promise.all([
    once(named.server, 'message'),
    request({ cloud: { relay_url: 'ws://127.0.0.1:8080/ws/device' } }, [{ urls: named.urls }]),
  ])
  await Promise.all([
    once(configured.server, 'message'),
    request({ cloud: { relay_url: 'wss://relay.example' }, stun_servers: [configured.urls] }, null),
  ])
  assert.equal(queries, 0)
})
