import assert from 'node:assert/strict'
import test from 'node:test'
import { topics } from '#bus/topics.ts'
import { launchBrowser } from '#dev/harness/browser.ts'
import { collect } from '#dev/harness/collect.ts'
import { until } from '#dev/harness/until.ts'
import { without } from '#test/helpers/tools.ts'
import { startRobot } from '../robot.ts'

/** An app in the page that answers every offer. */
const APP = `
  globalThis.pc = new RTCPeerConnection()
  pc.onicecandidate = ({ candidate }) => void (candidate?.candidate && toRobot({ candidate: candidate.toJSON() }))
  globalThis.heard = async (frame) => {
    if (frame.candidate) return pc.addIceCandidate(frame.candidate)
    await pc.setRemoteDescription(frame.sdp)
    await pc.setLocalDescription()
    await toRobot({ sdp: pc.localDescription.toJSON() })
  }
  globalThis.figures = async () => {
    const stats = [...(await pc.getStats()).values()]
    return {
      state: pc.connectionState,
      ufrag: /a=ice-ufrag:(\\S+)/.exec(pc.currentRemoteDescription?.sdp ?? '')?.[1],
      packets: stats.find(({ type, kind }) => type === 'inbound-rtp' && kind === 'video')?.packetsReceived ?? 0,
      used: stats.find(({ type, nominated, state }) => type === 'candidate-pair' && nominated && state === 'succeeded')?.id,
    }
  }`

interface PeerStats {
  state: string
  ufrag?: string
  packets: number
}

test('Chromium answers an ICE restart, and its video continues on the new generation (P23)', {
  skip: without('chromium'),
  timeout: 60_000,
}, async (t) => {
  // 10 ms without a packet count as silence, so that restarts start on a working connection
  const timings = { silence: 10, grace: 60_000, watch: 5 }
  const { bus, camera } = await startRobot(t, {}, timings)
  camera.roll()
  const [offers, closed] = await Promise.all([collect(bus, topics.offer), collect(bus, topics.closed)])
  const browser = await launchBrowser()
  t.after(() => browser.close())
  const page = await browser.newPage()
  const session_id = 'browser'
  await page.exposeFunction('toRobot', (frame: { sdp?: never; candidate?: never }) =>
    frame.sdp
      ? bus.publish(topics.answer, { session_id, sdp: frame.sdp })
      : bus.publish(topics.remoteCandidate, { session_id, candidate: frame.candidate ?? null }),
  )
  await page.evaluate(APP)
  const hear = (frame: object) => page.evaluate(`heard(${JSON.stringify(frame)})`).catch(() => undefined) // closing
  await bus.subscribe(topics.offer, ({ sdp }) => void hear({ sdp }))
  await bus.subscribe(topics.localCandidate, ({ candidate }) => void hear({ candidate }))
  const figures = () => page.evaluate('figures()') as Promise<PeerStats>
  const figuresWith = async (enough: (now: PeerStats) => boolean) => {
    let last: PeerStats | undefined
    const matching = async () => {
      last = await figures()
      return enough(last) ? last : undefined
    }
    return await until(matching, { deadline: 20_000, every: 50, show: () => last })
  }
  await bus.publish(topics.request, { session_id, ice_servers: [] })
  const first = /a=ice-ufrag:(\S+)/.exec((await offers.next()).payload.sdp.sdp)?.[1]
  await figuresWith(({ state, packets }) => state === 'connected' && packets > 10)
  const restarted = await figuresWith(({ ufrag }) => ufrag !== first)
  const later = await figuresWith(({ packets }) => packets > restarted.packets + 60)
  assert.equal(later.state, 'connected')
  assert.deepEqual(closed.all, [])
  const origins = offers.all.map(({ payload }) => /^o=(\S+ \S+) (\d+)/m.exec(payload.sdp.sdp) ?? [])
  assert.equal(new Set(origins.map(([, session]) => session)).size, 1, 'one session (RFC 8829 §5.2.2)')
  const versions = origins.map(([, , version]) => Number(version))
  assert.deepEqual(
    versions,
    versions.map((_, i) => (versions[0] ?? 0) + i),
  )
  t.diagnostic(`${offers.all.length - 1} restarts`)
})
