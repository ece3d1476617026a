import assert from 'node:assert/strict'
import test from 'node:test'
import { topics } from '#bus/topics.ts'
import { collect } from '#dev/harness/collect.ts'
import { until } from '#dev/harness/until.ts'
import { MAX_PAYLOAD } from '#services/webrtc/rtp/h264-packetizer.ts'
import { openNetwork, withoutNamespaces } from '#test/helpers/netns.ts'
import { openBoth } from '../control/both.ts'
import { startTurnServerIn } from './turn-server.ts'

const options = { skip: withoutNamespaces(), timeout: 120_000 }

for (const family of [4, 6] as const) {
  test(
    `robot and viewer connect over IPv${family} alone, and full packets pass MTU 1280 without fragmentation`,
    options,
    async (t) => {
      const network = openNetwork(t, { family, mtu: 1_280 })
      const fragment = family === 4 ? 'ip frag-off & 0x3fff != 0' : 'exthdr frag exists'
      network.forward(`${fragment} counter drop`, 'meta length > 1240 counter')
      const { wish, camera, pair } = await openBoth(t, network)
      await wish({ watch: 'one', more: 20 })
      assert.match((await pair())?.candidate_pair ?? '', family === 4 ? /10\.99\./ : /fd99:/)
      // two bytes of each packet are the fragmentation unit's own (RFC 6184 §5.8)
      const counts = () => {
        const counters = network.run('router', 'nft', 'list', 'ruleset').matchAll(/counter packets (\d+)/g)
        const [fragments = -1, full = 0] = Array.from(counters, ([, count]) => Number(count))
        return { fragments, full }
      }
      // a busy machine drops pictures before they are sent
      const shootMore = async () => {
        for (let i = 0; i < 5; i++) {
          await camera.shoot({ size: 10 * (MAX_PAYLOAD - 2) + 1 })
          await wish({ more: 1 })
        }
        return counts().full >= 50
      }
      await until(shootMore, { deadline: 40_000, show: counts })
      assert.equal(counts().fragments, 0)
    },
  )
}

test('the robot gets another address: an ICE restart moves the session to it', options, async (t) => {
  const network = openNetwork(t)
  const { wish, pair, bus } = await openBoth(t, network)
  const [offers, closed] = await Promise.all([collect(bus, topics.offer), collect(bus, topics.closed)])
  await wish({ watch: 'one', more: 20 })
  assert.match((await pair())?.candidate_pair ?? '', /^host 10\.99\.1\.2/)
  const change = (verb: string, address: string) =>
    network.run('robot', 'ip', 'address', verb, `${address}/24`, 'dev', 'net0')
  change('add', '10.99.1.77')
  change('del', '10.99.1.2')
  network.run('robot', 'ip', 'address', 'replace', '10.99.1.77/24', 'dev', 'net0')
  network.run('robot', 'ip', 'route', 'replace', 'default', 'via', '10.99.1.1')
  const first = (await offers.next()).payload.sdp.sdp
  const again = (await offers.next({ within: 15_000 })).payload.sdp.sdp
  assert.notEqual(/^a=ice-ufrag:.*/m.exec(again)?.[0], /^a=ice-ufrag:.*/m.exec(first)?.[0])
  assert.match(again, / 10\.99\.1\.77 \d+ typ host/)
  assert.doesNotMatch(again, / 10\.99\.1\.2 \d+ typ host/)
  await wish({ more: 40 })
  assert.deepEqual(closed.all, [])
})

test('with the direct path blocked, video uses the TURN server', options, async (t) => {
  const network = openNetwork(t)
  network.forward('ip saddr 10.99.1.2 ip daddr 10.99.2.2 drop', 'ip saddr 10.99.2.2 ip daddr 10.99.1.2 drop')
  const server = await startTurnServerIn(t, network)
  const { wish, pair } = await openBoth(t, network, { ice: { policy: 'all' } })
  const { ms } = await wish({ watch: 'one', iceServers: [server] })
  const session = await pair()
  assert.match(session?.candidate_pair ?? '', /^relay /)
  assert.equal(session?.connection_type, 'WAN')
  t.diagnostic(`first frame after ${Math.round(ms)} ms`)
})

test(
  'STUN, TURN and DNS servers that never answer delay neither offer nor video on the LAN (D05, D06)',
  options,
  async (t) => {
    const network = openNetwork(t)
    network.run('router', 'ip', 'route', 'add', 'blackhole', 'default')
    const { wish, bus } = await openBoth(t, network)
    const [requests, offers] = await Promise.all([collect(bus, topics.request), collect(bus, topics.offer)])
    const account = { username: 'robot', credential: 'secret' }
    const swallowed = [
      {
        urls: ['stun:203.0.113.1', 'stun:stun.example.com', 'turn:203.0.113.1', 'turns:203.0.113.1:443'],
        ...account,
      },
      { urls: ['turn:turn.example.com', 'turn:turn.example.net?transport=tcp'], ...account },
    ]
    const times: number[] = []
    for (const session_id of ['one', 'two', 'three']) {
      const watched = wish({ watch: session_id, iceServers: swallowed })
      await requests.next({ where: (request) => request.session_id === session_id })
      const begun = performance.now()
      await offers.next({ where: (offer) => offer.session_id === session_id })
      times.push(performance.now() - begun)
      const { ms } = await watched
      t.diagnostic(`offer after ${Math.round(times.at(-1) ?? 0)} ms, picture after ${Math.round(ms)} ms`)
    }
    assert.ok(Math.min(...times) <= 300)
  },
)
