import assert from 'node:assert/strict'
import { test } from 'node:test'
import { topics } from '#bus/topics.ts'
import { collect } from '#dev/harness/collect.ts'
import { startRobot } from '../robot.ts'
import { openViewer } from '../viewer.ts'

test('the log shows a session from request to close, and the metrics agree', async (t) => {
  const { bus, camera, logged, metrics } = await startRobot(t, {}, { watch: 100, report: 100 })
  camera.roll()
  const states = await collect(bus, topics.serviceState, { service: 'webrtc' })
  const viewer = await openViewer(t, bus, 'one')
  await viewer.until(({ video }) => video.length >= 60)
  const { payload: state } = await states.next({
    within: 10_000,
    where: ({ latency_ms }) => Object.values(latency_ms ?? {}).every((spread) => spread !== null),
  })
  assert.deepEqual(Object.keys(state.latency_ms as object), ['bus', 'wire'])
  const live = await metrics.metrics()
  assert.match(live, /^wimz_viewers 1$/m)
  assert.match(live, /^wimz_session_bitrate\{session="one",layer="\w+"\} \d+$/m)
  for (const stage of ['bus', 'wire']) {
    assert.match(live, new RegExp(`^wimz_stage_seconds_count\\{.*stage="${stage}".*\\} [1-9]`, 'm'))
  }
  const closed = await collect(bus, topics.closed)
  await bus.publish(topics.close, { session_id: 'one', reason: 'bye' })
  await closed.next({ within: 10_000 })

  const lines = logged.filter(({ session_id }) => session_id === 'one')
  const messages = lines.filter(({ level }) => level === 'info').map(({ msg }) => msg)
  assert.deepEqual(messages, [
    'video requested',
    'session offered',
    'session answered',
    'session connected',
    'first frame sent',
    'session closed',
  ])
  const last = lines.find(({ msg }) => msg === 'session closed')
  assert.equal(last?.by, 'viewer')
  assert.equal(last?.from, 'connected')
  assert.match(String(last?.candidate_pair), /^host \S+ > \S+ \S+$/)
  for (const key of ['ms', 'connected_ms', 'packets', 'bytes']) assert.ok(Number(last?.[key]) > 0, key)
  assert.ok(Number(last?.connected_ms) <= Number(last?.ms))

  const after = await metrics.metrics()
  assert.match(after, /^wimz_sessions_closed_total\{reason="\S+",by="viewer"\} 1$/m)
  assert.match(after, /^wimz_session_seconds_count 1$/m)
  assert.match(after, /^wimz_viewers 0$/m)
  assert.doesNotMatch(after, /^wimz_session_bitrate\{/m)
  assert.ok(Number(/^wimz_video_bytes_total (\d+)$/m.exec(after)?.[1]) > 0)
})
