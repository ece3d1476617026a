import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { decodeAccessUnit } from '#bus/access-unit.ts'
import { topics } from '#bus/topics.ts'
import { without } from '#test/helpers/tools.ts'
import { paintedTimes } from './painted-clock.ts'
import { startTestRecorder } from './start-recorder.ts'

const COUNT = Number(process.env.WIMZ_TEST_CLIPS ?? 100)
const GOP_MS = 1_000
const SLACK_MS = 300
/** That of the last frame is in the duration. */
const LAST_FRAME_MS = 67

test(`${COUNT} clips begin and end at their time, with no frame missing`, {
  skip: without('ffmpeg'),
}, async (t) => {
  const keep = { labels: {}, treats: null, events: { bark: { pre: 2, post: 1 } } }
  const { app, event, clips, states, dataDir } = await startTestRecorder(t, {
    recorder: { keep, keyframe_interval: GOP_MS / 1_000 },
  })
  const published: number[] = []
  const onUnit = (bytes: Buffer) => void published.push(Number(decodeAccessUnit(bytes).capturedAt / 1_000n))
  await app.subscribe(topics.video, onUnit, { layer: 'low' })
  await states.next({ where: ({ buffer }) => (buffer?.seconds ?? 0) > 2.5, within: 60_000 })
  const worst = { begin: 0, end: 0 }
  for (let n = 0; n < COUNT; n++) {
    const at = Date.now()
    await event('bark')
    const { payload } = await clips.next({ where: ({ type }) => type === 'end', within: 60_000 })
    const path = join(dataDir, 'recorder/clips', payload.clip.file)
    const times = await paintedTimes({ path, width: payload.clip.width })
    const [first = 0, last = 0] = [times[0], times.at(-1)]
    assert.ok(
      first <= at - 2_000 + SLACK_MS && first > at - 2_000 - GOP_MS - SLACK_MS,
      `clip ${n}: begins ${at - first} ms before`,
    )
    assert.ok(Math.abs(last - (at + 1_000)) < SLACK_MS, `clip ${n}: ends ${last - at} ms after`)
    const end = payload.clip.startedAt + payload.clip.durationMs - LAST_FRAME_MS
    const expected = published.filter((time) => time >= payload.clip.startedAt && time <= end + 5)
    assert.equal(times.length, expected.length, `clip ${n}: frames of those that vision has published`)
    worst.begin = Math.max(worst.begin, at - 2_000 - first)
    worst.end = Math.max(worst.end, Math.abs(last - at - 1_000))
  }
  t.diagnostic(`early by ${worst.begin} ms at most, end off by ${worst.end} ms`)
})
