import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TrackEvent } from '#bus/messages.ts'
import { topics } from '#bus/topics.ts'
import { collect } from '#dev/harness/collect.ts'
import { until } from '#dev/harness/until.ts'
import { without } from '#test/helpers/tools.ts'
import { probe } from './coded-frames.ts'
import { paintedTimes } from './painted-clock.ts'
import { startTestRecorder } from './start-recorder.ts'

const skip = without('ffmpeg')
const GOP_MS = 1_000
/** A frame, and the clock of a busy machine. */
const SLACK_MS = 500

test('a clip has the seconds before its event and after it, and every frame', { skip }, async (t) => {
  const keep = { labels: {}, treats: null, events: { bark: { pre: 2, post: 1 } } }
  const { event, clips, states, dataDir } = await startTestRecorder(t, {
    recorder: { keep, keyframe_interval: GOP_MS / 1_000 },
  })
  await states.next({ where: ({ buffer }) => (buffer?.seconds ?? 0) > 2.5, within: 30_000 })
  const at = Date.now()
  await event('bark')
  const { payload } = await clips.next({ where: ({ type }) => type === 'end', within: 30_000 })
  const { clip } = payload
  assert.deepEqual(
    clip.reasons.map(({ kind, event: name }) => [kind, name]),
    [['event', 'bark']],
  )
  assert.deepEqual([clip.width, clip.height, clip.complete, clip.gaps], [640, 360, true, []])
  const times = await paintedTimes({ path: join(dataDir, 'recorder/clips', clip.file), width: clip.width })
  const [first = 0, last = 0] = [times[0], times.at(-1)]
  assert.ok(
    first <= at - 2_000 + SLACK_MS && first > at - 2_000 - GOP_MS - SLACK_MS,
    `begins ${at - first} ms before`,
  )
  assert.ok(Math.abs(last - (at + 1_000)) < SLACK_MS, `ends ${last - at} ms after`)
  assert.ok(Math.abs(clip.startedAt - first) < SLACK_MS)
  assert.ok(Math.abs(clip.durationMs - (last - first)) < SLACK_MS)
})

test('events that overlap make one clip with several reasons', { skip }, async (t) => {
  const keep = { labels: {}, events: { bark: { pre: 1, post: 1 } }, treats: { pre: 1, post: 1 } }
  const { event, clips, states, dataDir } = await startTestRecorder(t, {
    recorder: { keep, keyframe_interval: 0.5 },
  })
  await states.next({ where: ({ buffer }) => (buffer?.seconds ?? 0) > 1, within: 30_000 })
  await event('bark')
  await event('treat_dispensed')
  const { payload } = await clips.next({ where: ({ type }) => type === 'end', within: 30_000 })
  assert.deepEqual(payload.clip.reasons.map(({ kind }) => kind).sort(), ['event', 'treat'])
  assert.equal(clips.all.filter(({ payload: { type } }) => type === 'new').length, 1)
  const frames = await probe(join(dataDir, 'recorder/clips', payload.clip.file))
  assert.ok(frames[0]?.keyframe)
})

test('a clip ends when the end of its object was missed', async (t) => {
  const keep = { labels: { dog: { pre: 0, post: 0 } }, events: {}, treats: null }
  const { app, clips, states, cut } = await startTestRecorder(t, { recorder: { keep } })
  await states.next({ where: ({ buffer }) => (buffer?.seconds ?? 0) > 0, within: 60_000 })
  const now = Date.now()
  const after: TrackEvent['after'] = {
    ...{ id: 'track-1', track_id: 1, label: 'dog', score: 0.9, top_score: 0.9, box: [0, 0, 0.1, 0.1] },
    ...{ zones: [], entered_zones: [], dwelling: [], stationary: false },
    ...{ frame_time: now, start_time: now, end_time: null },
  }
  await app.publish(topics.track, { type: 'new', before: null, after })
  await clips.next({ where: ({ type }) => type === 'new', within: 60_000 })
  cut('recorder')
  const { payload } = await clips.next({ where: ({ type }) => type === 'end', within: 60_000 })
  assert.equal(payload.clip.cutShort, undefined)
})

test('a demand of a run that was killed is withdrawn', async (t) => {
  const left = { codec: 'h264' as const, layers: { low: { bitrate: 100_000 } } }
  const { connect } = await startTestRecorder(t, {
    recorder: { keep: { labels: {}, events: {}, treats: null } },
    async before(bus) {
      await bus.publish(topics.demand, left, { who: 'recorder' })
      await bus.publish(topics.audioDemand, {}, { who: 'recorder' })
    },
  })
  const late = await connect('late')
  const demands = await collect(late, topics.demand)
  const sound = await collect(late, topics.audioDemand)
  // retained messages are sent before what is published after the subscription
  await late.publish(topics.demand, left, { who: 'late' })
  await late.publish(topics.audioDemand, {}, { who: 'late' })
  await Promise.all([demands.next(), sound.next()])
  const clients = [...demands.all, ...sound.all].map(({ params }) => params.who)
  assert.deepEqual(clients, ['late', 'late'])
})

test('the video is demanded only while something may be kept', async (t) => {
  const { app, states, send } = await startTestRecorder(t, {
    recorder: { keep: { labels: {}, events: {}, treats: null } },
  })
  const demands = await collect(app, topics.demand, { who: 'recorder' })
  await states.next({ where: ({ buffer }) => buffer?.bytes === 0 })
  assert.deepEqual(demands.all, [])
  assert.equal((await send('record_video', { duration: 60 })).success, true)
  const { payload } = await demands.next({ where: (demand) => demand !== null })
  assert.deepEqual(payload && [payload.codec, Object.keys(payload.layers)], ['h264', ['low']])
  assert.equal((await send('record_video', { duration: 60 })).error, 'a recording is running already')
  await until(() => demands.all.length === 1)
  assert.equal((await send('stop_recording')).success, true)
  await demands.next({ where: (demand) => demand === null })
  assert.equal((await send('stop_recording')).error, 'no recording is running')
})
