import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import test from 'node:test'
import { topics } from '#bus/topics.ts'
import { collect } from '#dev/harness/collect.ts'
import { resolveHost } from '#services/webrtc/ice/resolve-host.ts'
import { startRobot } from '../robot.ts'

test('local addresses of STUN and TURN servers are refused, in any notation, also behind a name', async () => {
  const local = ['127.0.0.1', '127.9.9.9', '0.0.0.0', '169.254.169.254', '224.0.0.1', '255.255.255.255']
  const localV6 = ['::1', '::', 'fe80::1', 'fe80::1%eth0', 'ff02::1', '::ffff:127.0.0.1', '::ffff:a9fe:a9fe']
  for (const host of [...local, ...localV6, 'localhost']) {
    await assert.rejects(resolveHost(host, { refuseLocal: true }), /may not name/, host)
    await resolveHost(host)
  }
  for (const host of ['192.0.2.1', '192.168.1.5', '10.0.0.1', '2001:db8::1', 'fd00::1']) {
    assert.equal(await resolveHost(host, { refuseLocal: true }), host)
  }
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
