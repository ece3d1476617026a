import assert from 'node:assert/strict'
import test from 'node:test'
import { topics } from '#bus/topics.ts'
import { collect } from '#dev/harness/collect.ts'
import { rounds } from '#test/helpers/volume.ts'
import { startRobot } from '../robot.ts'
import { openViewer } from '../viewer.ts'
import { noTurnServer, startTurnServer } from './turn-server.ts'

const CONNECTIONS = rounds({ merge: 15, night: 50 })
/** Request to first frame over UDP, median: milliseconds. */
const MAX_MEDIAN = 600

const median = (values: number[]) => values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0

for (const transport of ['udp', 'tcp', 'tls'] as const) {
  test(`${CONNECTIONS} of ${CONNECTIONS} viewers get video through TURN over ${transport} alone`, {
    skip: noTurnServer(),
    timeout: 300_000,
  }, async (t) => {
    const { over } = await startTurnServer(t)
    const { bus, camera } = await startRobot(t, { ice: { policy: 'relay', tls_insecure: true } })
    camera.roll()
    const [sessions, closed] = await Promise.all([collect(bus, topics.sessions), collect(bus, topics.closed)])
    const times: number[] = []
    for (let i = 0; i < CONNECTIONS; i++) {
      const id = `viewer-${i}`
      const begun = performance.now()
      const viewer = await openViewer({ after: () => undefined }, bus, id, { iceServers: [over(transport)] })
      // the marker ends a picture, and the first one is a keyframe
      await viewer.until(({ video }) => video.some(({ header }) => header.marker), 10_000)
      times.push(performance.now() - begun)
      const { payload } = await sessions.next({
        where: (all) =>
          all.some(({ session_id, candidate_pair }) => session_id === id && candidate_pair !== null),
      })
      assert.match(payload.find(({ session_id }) => session_id === id)?.candidate_pair ?? '', /^relay /)
      await bus.publish(topics.close, { session_id: id, reason: 'enough' })
      await closed.next({ where: ({ session_id }) => session_id === id })
      await viewer.close()
    }
    const [middle, slowest] = [median(times), Math.max(...times)].map(Math.round)
    t.diagnostic(`request to first frame over ${transport}: median ${middle} ms, slowest ${slowest} ms`)
    if (transport === 'udp') assert.ok(median(times) <= MAX_MEDIAN, `${middle} ms`)
  })
}
