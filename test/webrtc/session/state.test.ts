import assert from 'node:assert/strict'
import test from 'node:test'
import { WebrtcState } from '#bus/messages.ts'
import { topics } from '#bus/topics.ts'
import { collect } from '#dev/harness/collect.ts'
import { startRobot } from '../robot.ts'
import { openViewer } from '../viewer.ts'

test('webrtc/state has every field of its schema and no other', async (t) => {
  const { bus, camera } = await startRobot(t, {}, { report: 100 })
  camera.roll()
  const states = await collect(bus, topics.webrtcState)
  await openViewer(t, bus, 'one')
  const { payload } = await states.next({
    within: 5_000,
    where: ({ viewers, latency_ms }) => viewers === 1 && Boolean(latency_ms?.wire),
  })
  assert.deepEqual(Object.keys(payload).sort(), Object.keys(WebrtcState.shape).sort())
  assert.deepEqual([payload.state, payload.sessions], ['online', 1])
  assert.deepEqual(Object.keys(payload.latency_ms ?? {}), ['bus', 'wire'])
})
