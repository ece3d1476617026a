import assert from 'node:assert/strict'
import test from 'node:test'
import { topics } from '#bus/topics.ts'
import { collect } from '#dev/harness/collect.ts'
import { openNetwork, withoutNamespaces } from '#test/helpers/netns.ts'
import { rounds } from '#test/helpers/volume.ts'
import { openBoth } from '../control/both.ts'
import { startTurnServerIn } from './turn-server.ts'

const options = { skip: withoutNamespaces(), timeout: 180_000 }
const CONNECTIONS = rounds({ merge: 15, night: 50 })

const median = (values: number[]) => values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0

test(
  `${CONNECTIONS} of ${CONNECTIONS} viewers get video where only the TURN server is in reach`,
  options,
  async (t) => {
    const network = openNetwork(t)
    network.forward(
      'ip saddr 10.99.1.2 ip daddr 10.99.2.2 drop',
      'ip saddr 10.99.2.2 ip daddr 10.99.1.2 drop',
    )
    const server = await startTurnServerIn(t, network)
    const { wish, bus } = await openBoth(t, network, { ice: { policy: 'all' } })
    const closed = await collect(bus, topics.closed)
    const times: number[] = []
    for (let i = 0; i < CONNECTIONS; i++) {
      const session_id = `viewer-${i}`
      times.push((await wish({ watch: session_id, iceServers: [server] })).ms)
      await bus.publish(topics.close, { session_id, reason: 'enough' })
      await closed.next()
    }
    t.diagnostic(
      `request to first frame: median ${Math.round(median(times))}, slowest ${Math.round(Math.max(...times))} ms`,
    )
  },
)

test(
  'a viewer that receives nothing loses consent although it still sends (RFC 7675 §5.1) (P15)',
  options,
  async (t) => {
    const network = openNetwork(t)
    const { wish, bus } = await openBoth(t, network)
    const closed = await collect(bus, topics.closed)
    await wish({ watch: 'one', more: 20 })
    network.forward('ip saddr 10.99.1.2 udp dport != 0 drop')
    const begun = performance.now()
    const { payload } = await closed.next({ within: 60_000 })
    assert.equal(payload.by, 'robot')
    assert.match(payload.reason, /ice-failed|connection-lost/)
    t.diagnostic(`${payload.reason} after ${Math.round((performance.now() - begun) / 1000)} s`)
  },
)
