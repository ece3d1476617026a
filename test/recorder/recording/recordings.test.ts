import assert from 'node:assert/strict'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import type { TrackEvent } from '#bus/messages.ts'
import { createLogger } from '#lib/logger.ts'
import { repairMovie } from '#services/recorder/mp4/repair.ts'
import { TrackReasons } from '#services/recorder/reasons/track-reasons.ts'
import { Recordings } from '#services/recorder/recording/recordings.ts'
import { GopRing } from '#services/recorder/ring/gop-ring.ts'
import { FileClipStore } from '#services/recorder/store/file-clip-store.ts'
import { temporaryFolder } from '#test/helpers/folder.ts'
import { codedFrames } from '../coded-frames.ts'

const log = createLogger('test', { write: () => {} })
const MAX_PRE_MS = 5_000

/** Recordings of 10 s of frames, of which `play` adds those up to a time. */
async function recordingsOf(t: TestContext, maxClipMs = 300_000) {
  const store = await FileClipStore.open(temporaryFolder(t), log)
  const ring = new GopRing({ maxBytes: 1e8, keepMs: MAX_PRE_MS + 2_000 })
  const options = { continuousMs: undefined, maxClipMs, maxPre: MAX_PRE_MS, syncInterval: 0 }
  const recordings = new Recordings({ ...options, ring, store, log })
  const failures: unknown[] = []
  recordings.on('failed', (err) => failures.push(err))
  t.after(() => recordings.stop('end', 'the test is over'))
  const frames = await codedFrames({ count: 150, gop: 15 })
  return {
    ...{ store, recordings, ring, failures },
    play(until: number) {
      while (frames[0] && frames[0].at <= until) {
        const [frame] = frames.splice(0, 1)
        if (frame && ring.add(frame)) recordings.advance(frame.at)
      }
    },
    /** No more frames come: what is over is completed. */
    async complete() {
      recordings.advance(1e6)
      while (recordings.busy) await once(recordings, 'change')
    },
  }
}

const bark = { kind: 'event', event: 'bark', at: 0 } as const
const dog = { kind: 'label', label: 'dog', at: 0 } as const

test('an object that appears after the end of a clip that is still open keeps the next one open', async (t) => {
  const { store, recordings, play, complete } = await recordingsOf(t)
  play(1_000)
  recordings.keep(bark, 0, 2_000)
  play(4_000)
  recordings.hold('dog', dog, 3_000)
  play(8_000)
  recordings.release('dog', 7_000)
  await complete()
  const clips = store
    .list()
    .map(({ reasons, durationMs }) => [reasons[0]?.kind, Math.round(durationMs / 1_000)])
  assert.deepEqual(clips, [
    ['event', 2],
    ['label', 4],
  ])
})

test('a recording for a command is finished when its side-car cannot be written', async (t) => {
  const { store, recordings, failures, play, complete } = await recordingsOf(t)
  const full = new Error('disk full')
  store.finish = () => Promise.reject(full)
  const recording = recordings.record(0, 2_000, { kind: 'command', at: 0 })
  const finished = once(recording, 'finished')
  play(3_000)
  await complete()
  const [clip] = await finished
  assert.equal(Math.round(clip.durationMs / 1_000), 2)
  assert.deepEqual(failures, [full])
})

test('a recording that cannot be opened is not tried again, and leaves no clip', async (t) => {
  const { store, recordings, failures, play, complete } = await recordingsOf(t)
  // the side-car can be written, the movie cannot
  let attempts = 0
  store.on('begun', ({ file }) => {
    if (++attempts < 50) writeFileSync(join(store.folder, file), '')
  })
  const recording = recordings.record(0, 2_000, { kind: 'command', at: 0 })
  const finished = once(recording, 'finished')
  play(1_000)
  recordings.stopCommanded()
  assert.deepEqual(await finished, [undefined])
  await complete()
  assert.equal(failures.length, 1)
  assert.deepEqual(store.list(), [])
})

test('an object that is there when recording goes on is recorded', async (t) => {
  const { store, recordings, play, complete } = await recordingsOf(t)
  const keep = { labels: { dog: { pre: 0, post: 0 } }, zones: {} }
  const tracks = new TrackReasons(keep, recordings)
  recordings.on('resumed', () => tracks.holdAgain(5_000))
  const now = Date.now()
  const after: TrackEvent['after'] = {
    ...{ id: 'track-1', track_id: 1, label: 'dog', score: 0.9, top_score: 0.9, box: [0, 0, 0.1, 0.1] },
    ...{ zones: [], entered_zones: [], dwelling: [], stationary: false },
    ...{ frame_time: now, start_time: now, end_time: null },
  }
  await recordings.stop('disk', 'disk full')
  tracks.ingest({ type: 'new', before: null, after })
  play(5_000)
  recordings.resume('disk')
  play(8_000)
  tracks.releaseAll(7_000)
  await complete()
  const clips = store.list().map(({ reasons }) => reasons.map(({ label }) => label))
  assert.deepEqual(clips, [['dog']])
})

test('sound that comes after the first frame is recorded', async (t) => {
  const { store, recordings, ring, play, complete } = await recordingsOf(t)
  recordings.record(0, 5_000, { kind: 'command', at: 0 })
  play(300)
  await once(store, 'begun')
  for (let at = 300; at < 6_000; at += 20) ring.addSound({ at, data: Buffer.of(0xfc) })
  play(6_000)
  await complete()
  const [clip] = store.list()
  assert.equal(clip?.hasAudio, true)
  assert.equal((await repairMovie(join(store.folder, clip?.file ?? '')))?.hasAudio, true)
})

test('a recording for a command is one file, however short clips are', async (t) => {
  const { store, recordings, play, complete } = await recordingsOf(t, 2_000)
  recordings.record(0, 7_000, { kind: 'command', at: 0 })
  play(300)
  await once(store, 'begun')
  play(8_000)
  await complete()
  assert.deepEqual(
    store.list().map(({ durationMs }) => Math.round(durationMs / 1_000)),
    [7],
  )
})
