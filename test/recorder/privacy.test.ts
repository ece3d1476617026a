import assert from 'node:assert/strict'
import { test } from 'node:test'
import { topics } from '#bus/topics.ts'
import { collect } from '#dev/harness/collect.ts'
import { startTestRecorder } from './start-recorder.ts'

test('while privacy is on nothing is recorded, and no video is demanded', async (t) => {
  const keep = { labels: {}, events: { bark: { pre: 1, post: 60 } }, treats: null }
  const { app, event, send, states, clips } = await startTestRecorder(t, { recorder: { keep } })
  const demands = await collect(app, topics.demand, { who: 'recorder' })
  await states.next({ where: ({ buffer }) => (buffer?.seconds ?? 0) > 0, within: 60_000 })
  await event('bark')
  await clips.next({ where: ({ type }) => type === 'new' })
  const change = (enabled: boolean) => app.publish(topics.privacy, { enabled, until: null, source: 'relay' })
  await change(true)
  const { payload } = await clips.next({ where: ({ type }) => type === 'end' })
  assert.equal(payload.clip.cutShort, 'privacy is on')
  await demands.next({ where: (demand) => demand === null })
  await states.next({ where: (state) => state.private === true && state.buffer?.bytes === 0 })
  assert.equal((await send('record_video')).error, 'no recording: privacy is on')
  await event('bark')
  await change(false)
  await demands.next({ where: (demand) => demand !== null })
  await event('bark')
  const { payload: next } = await clips.next({ where: ({ type }) => type === 'new', within: 60_000 })
  assert.equal(next.clip.reasons.length, 1)
})
