import assert from 'node:assert/strict'
import test from 'node:test'
import type { VisionState } from '#bus/messages.ts'
import { topics } from '#bus/topics.ts'
import { collect } from '#dev/harness/collect.ts'
import { createVideoQualitySettings, signalBars } from '#services/webrtc/video/video-quality.ts'
import { startRobot } from '../robot.ts'
import { openViewer } from '../viewer.ts'

const command = (mode: unknown, session_id?: string) => ({
  id: JSON.stringify([mode, session_id]),
  name: 'set_video_quality',
  params: { mode },
  source: 'relay' as const,
  received_at: Date.now(),
  ...(session_id === undefined ? {} : { session_id }),
})

test('a pinned layer starts at a keyframe, with continuous RTP numbers and timestamps', async (t) => {
  const { bus, camera } = await startRobot(t)
  camera.roll()
  const [sessions, results] = [await collect(bus, topics.sessions), await collect(bus, topics.commandResult)]
  const viewer = await openViewer(t, bus, 'one')
  await viewer.until(({ video }) => video.length >= 20)
  await bus.publish(topics.command, command('medium'), { name: 'set_video_quality' })
  assert.equal((await results.next()).payload.success, true)
  await sessions.next({ within: 5_000, where: ([one]) => one?.layer === 'medium' })
  const { length } = viewer.video
  await viewer.until(({ video }) => video.length >= length + 40)
  const numbers = viewer.video.map(({ header }) => header.sequenceNumber)
  assert.deepEqual(
    numbers,
    numbers.map((_, i) => ((numbers[0] ?? 0) + i) & 0xffff),
  )
  const stamps = [...new Set(viewer.video.map(({ header }) => header.timestamp))]
  for (const [i, stamp] of stamps.slice(1).entries()) {
    const step = (stamp - (stamps[i] ?? 0)) | 0
    assert.ok(step > 0 && step < 90_000, `a step of ${step} ticks`)
  }
  assert.deepEqual(
    Object.keys(camera.demand.at(-1)?.layers ?? {}),
    ['medium'],
    'the other layer is given back',
  )
})

test('set_video_quality before the first session applies to it, and an unknown mode is refused (F04)', async (t) => {
  const { bus, camera } = await startRobot(t)
  camera.roll()
  const [results, demand] = [await collect(bus, topics.commandResult), await collect(bus, topics.demand)]
  for (const mode of ['ultra', '', null, 7, { toString: 'high' }]) {
    await bus.publish(topics.command, command(mode), { name: 'set_video_quality' })
    const { payload } = await results.next()
    assert.equal(payload.success, false)
    assert.match(payload.error ?? '', /one of auto, high, medium, low/)
  }
  await bus.publish(topics.command, command('medium'), { name: 'set_video_quality' })
  assert.equal((await results.next()).payload.success, true)
  await openViewer(t, bus, 'one')
  const { payload } = await demand.next({ where: (one) => JSON.stringify(one).includes('bitrate') })
  assert.deepEqual(Object.keys(payload?.layers ?? {}), ['medium'])
})

test('a viewer with VP8 only gets VP8, beside one with H.264 that never does', async (t) => {
  const { bus, camera } = await startRobot(t)
  camera.roll()
  const sessions = await collect(bus, topics.sessions)
  const [h264, vp8] = [await openViewer(t, bus, 'one'), await openViewer(t, bus, 'two', { video: ['vp8'] })]
  await vp8.until(({ video }) => video.length >= 30)
  const { length } = h264.video
  await h264.until(({ video }) => video.length >= length + 30)
  assert.ok(vp8.video.every(({ header }) => header.payloadType === 96))
  assert.ok(h264.video.every(({ header }) => header.payloadType === 102))
  assert.ok(((vp8.video[0]?.payload[0] ?? 0) & 0x10) !== 0, 'begins with the start of a frame')
  assert.ok(((vp8.video[0]?.payload[1] ?? 1) & 1) === 0, 'of a keyframe')
  await sessions.next({ where: (list) => list.map(({ codec }) => codec).join() === 'H264,VP8' })
  const both = camera.demand.find((demand) => demand?.also)
  assert.deepEqual([both?.codec, both?.also?.codec], ['h264', 'vp8'])
  await bus.publish(topics.close, { session_id: 'two', reason: 'bye' })
  const demand = await collect(bus, topics.demand)
  await demand.next({ where: (one) => one?.also === undefined })
})

test('a viewer with both codecs gets the first one of its answer', async (t) => {
  const { bus, camera } = await startRobot(t)
  camera.roll()
  const viewer = await openViewer(t, bus, 'one', { video: ['vp8', 'h264'] })
  await viewer.until(({ video }) => video.length >= 20)
  assert.equal(new Set(viewer.video.map(({ header }) => header.payloadType)).size, 1)
})

test('webrtc.video.codec VP8 offers VP8 first', async (t) => {
  const { bus } = await startRobot(t, { video: { codec: 'VP8' } })
  const offers = await collect(bus, topics.offer)
  await openViewer(t, bus, 'one', { silent: true })
  const { payload } = await offers.next()
  assert.match(payload.sdp.sdp, /^m=video \d+ \S+ 96 97 102 103\r$/m)
})

test('signal bars are four, minus one per threshold, and zero before the first report', () => {
  assert.deepEqual(
    [
      undefined,
      { loss: 0, rtt: undefined },
      { loss: 0.03, rtt: 20 },
      { loss: 0.09, rtt: 301 },
      { loss: 0.09, rtt: 601 },
    ].map(signalBars),
    [0, 4, 3, 1, 0],
  )
})

test('resolutions keep the aspect ratio and never exceed the source', () => {
  const wide = createVideoQualitySettings({ width: 1280, height: 720, bitrate_kbps: 1500 })
  const square = createVideoQualitySettings({ width: 640, height: 640, bitrate_kbps: 1500 })
  assert.deepEqual([wide.resolution('low'), wide.resolution('high')], ['640x360', '1280x720'])
  assert.deepEqual([square.resolution('low'), square.resolution('high')], ['360x360', '640x640'])
})

test('a layer that vision reduces is reported with its real size, and why it is smaller', () => {
  const quality = createVideoQualitySettings({ width: 1280, height: 720, bitrate_kbps: 1500 })
  const layer = { wanted: 1, bitrate: 1, fps: 15 }
  const load = { level: 3, detection: 0.2, steps: 1 } as NonNullable<VisionState['load']>
  const high = { ...layer, width: 960, height: 540 }
  const state = { state: 'online', layers: { high, 'high/vp8': layer, low: layer } } as const
  assert.equal(quality.limitedBy('high'), null)
  assert.ok(quality.setVision({ ...state, camera_ok: true, load }))
  assert.ok(!quality.setVision({ ...state, camera_ok: true, load }), 'nothing new for viewers')
  assert.deepEqual([quality.resolution('high'), quality.resolution('low')], ['960x540', '640x360'])
  assert.deepEqual([quality.limitedBy('high'), quality.limitedBy('low')], ['overload', null])
  assert.deepEqual(quality.vision, { camera_ok: true, overload: 3 })
  assert.ok(quality.setVision({ ...state, camera_ok: false }))
  assert.equal(quality.limitedBy('high'), 'camera')
  assert.ok(quality.setVision({ ...state, camera_ok: false, privacy: true }))
  assert.equal('privacy' in quality.vision, true)
  assert.ok(quality.setVision({ ...state, camera_ok: false, privacy: false }))
  assert.equal('privacy' in quality.vision, false)
  assert.ok(quality.setVision({ state: 'offline' }))
  assert.deepEqual(
    [quality.resolution('high'), quality.limitedBy('high'), quality.vision],
    ['1280x720', null, {}],
  )
})
