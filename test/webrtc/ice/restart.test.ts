import assert from 'node:assert/strict'
import test from 'node:test'
import type { Connection } from 'werift'
import { topics } from '#bus/topics.ts'
import { collect } from '#dev/harness/collect.ts'
import { watchNetwork } from '#services/webrtc/ice/network-watch.ts'
import { startRobot } from '../robot.ts'
import { openViewer, type Viewer } from '../viewer.ts'

const FAST = { silence: 400, grace: 5_000, watch: 50 }

/** Blocks the viewer's candidate pair in both directions. Returns functions that unblock or replace it. */
function block({ pc }: Viewer): { unblock(): void; replace(): void } {
  const connection = pc.iceTransports[0]?.connection as Connection | undefined
  const protocol = connection?.nominated?.protocol
  if (!connection || !protocol) throw new Error('not connected')
  const { transport } = protocol as unknown as {
    transport: { onData: unknown; send: unknown; close(): Promise<void> }
  }
  const { onData, send } = transport
  Object.assign(transport, { onData: () => undefined, send: async () => undefined })
  return {
    unblock: () => void Object.assign(transport, { onData, send }),
    /** Its next gathering opens another socket at the same address. */
    replace() {
      const { protocols } = connection as unknown as { protocols: unknown[] }
      protocols.splice(protocols.indexOf(protocol), 1)
      void transport.close()
    },
  }
}

const fragment = (sdp: string) => /^a=ice-ufrag:(\S+)/m.exec(sdp)?.[1]

async function watching(t: Parameters<typeof startRobot>[0]) {
  const robot = await startRobot(t, {}, FAST)
  robot.camera.roll()
  const [offers, answers, closed] = await Promise.all([
    collect(robot.bus, topics.offer),
    collect(robot.bus, topics.answer),
    collect(robot.bus, topics.closed),
  ])
  const viewer = await openViewer(t, robot.bus, 'one')
  await viewer.until(({ video }) => video.length > 0)
  const offer = (await offers.next()).payload.sdp.sdp
  const answer = (await answers.next()).payload.sdp.sdp
  return { ...robot, offers, closed, viewer, offer, answer }
}

test('a silent viewer gets an ICE restart, and the session continues on another candidate pair (P23, C14)', async (t) => {
  const { offers, closed, viewer, offer } = await watching(t)
  block(viewer).replace()
  const { payload } = await offers.next({ within: 5_000 })
  assert.equal(payload.session_id, 'one')
  assert.notEqual(fragment(payload.sdp.sdp), fragment(offer))
  const dtls = (sdp: string) => /^a=fingerprint:.*$/m.exec(sdp)?.[0]
  assert.equal(dtls(payload.sdp.sdp), dtls(offer))
  const before = viewer.video.length
  await viewer.until(({ video }) => video.length > before + 10, 8_000)
  assert.deepEqual(closed.all, [])
})

test('a viewer that never answers the restart keeps its candidate pair when it recovers in time (P23)', async (t) => {
  const { bus, offers, closed, viewer, answer } = await watching(t)
  const { unblock } = block(viewer)
  // no signaling either
  viewer.hangUp()
  await offers.next({ within: 5_000 })
  // the first answer once more, and candidates of the first generation: neither is the answer to the restart (P9)
  await bus.publish(topics.answer, { session_id: 'one', sdp: { type: 'answer', sdp: answer } })
  const candidate = `candidate:1 1 udp 1 192.0.2.1 9 typ host ufrag ${fragment(answer)}`
  await bus.publish(topics.remoteCandidate, { session_id: 'one', candidate: { candidate, sdpMid: '0' } })
  await bus.publish(topics.answer, { session_id: 'one', sdp: { type: 'answer', sdp: 'rubbish' } })
  unblock()
  const before = viewer.video.length
  await viewer.until(({ video }) => video.length > before + 10, 8_000)
  assert.deepEqual(closed.all, [])
})

test('a change of the local addresses is reported once', async () => {
  let addresses = ['192.0.2.1']
  const told: string[][] = []
  const changed = Promise.withResolvers<void>()
  using _watch = watchNetwork(
    (now) => {
      told.push(now)
      if (now.length > 0) changed.resolve()
    },
    5,
    () => addresses,
  )
  addresses = []
  setTimeout(() => {
    addresses = ['198.51.100.7']
  }, 40)
  const alive = setTimeout(() => changed.reject(new Error('not told')), 5_000)
  await changed.promise
  clearTimeout(alive)
  assert.deepEqual(told, [[], ['198.51.100.7']])
})
