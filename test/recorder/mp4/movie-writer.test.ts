import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { frameSize, parameterSets } from '#services/recorder/mp4/h264.ts'
import { MovieWriter } from '#services/recorder/mp4/movie-writer.ts'
import { repairMovie } from '#services/recorder/mp4/repair.ts'
import type { SoundPacket, VideoFrame } from '#services/recorder/ring/gop-ring.ts'
import { temporaryFolder } from '#test/helpers/folder.ts'
import { without } from '#test/helpers/tools.ts'
import { codedFrames, duration, FPS, probe, soundPackets } from '../coded-frames.ts'

const skip = without('ffmpeg')

/** The pieces of a movie in a file, and what completes it. */
function written(t: TestContext, frames: readonly VideoFrame[], sound: readonly SoundPacket[] = []) {
  const path = join(temporaryFolder(t), 'movie.mp4')
  const pieces: Buffer[] = []
  const [first] = frames
  const sets = first && parameterSets(first.data)
  assert.ok(first && sets)
  const movie = new MovieWriter({
    ...{ first, ...sets, ...frameSize(sets.sps), hasSound: sound.length > 0 },
    write: (piece) => pieces.push(piece) > 0,
    sounds: (after, before) => sound.filter(({ at }) => at > after && at < before),
  })
  for (const frame of frames) movie.add(frame)
  return {
    path,
    pieces,
    movie,
    save: (count = pieces.length, extra = 0) =>
      writeFileSync(
        path,
        Buffer.concat([...pieces.slice(0, count), pieces[count]?.subarray(0, extra) ?? Buffer.alloc(0)]),
      ),
    finish() {
      const patches = movie.finish()
      const file = Buffer.concat(pieces)
      for (const { at, data } of patches) data.copy(file, at)
      writeFileSync(path, file)
      return file
    },
  }
}

/** What every frame of the movie has to say. */
function assertFrames(probed: Awaited<ReturnType<typeof probe>>, frames: readonly VideoFrame[]): void {
  assert.equal(probed.length, frames.length)
  const start = frames[0]?.at ?? 0
  for (const [index, { time, keyframe }] of probed.entries()) {
    assert.ok(Math.abs(time * 1_000 - ((frames[index]?.at ?? 0) - start)) < 1, `frame ${index} at ${time}`)
    assert.equal(keyframe, frames[index]?.keyframe)
  }
}

test('every frame is in the file, at its time, with duration and index', { skip }, async (t) => {
  const frames = await codedFrames({ count: 100 })
  const { path, finish } = written(t, frames)
  finish()
  assertFrames(await probe(path), frames)
  assert.ok(Math.abs((await duration(path)) - 100 / FPS) < 0.05)
})

test('sound is in step with the video', { skip }, async (t) => {
  const frames = await codedFrames({ count: 60, at: 5_000 })
  const sound = await soundPackets(200, 4_800)
  const { path, finish } = written(t, frames, sound)
  finish()
  assertFrames(await probe(path), frames)
  const packets = await probe(path, 'a')
  // ten packets were before the first frame
  assert.equal(packets.length, 190)
  assert.ok(Math.abs((packets[0]?.time ?? 1) - 0.01) < 0.02, `first at ${packets[0]?.time}`)
})

test('the file plays while it grows, up to the last whole fragment', { skip }, async (t) => {
  const frames = await codedFrames({ count: 100 })
  const { path, save, pieces } = written(t, frames)
  // header, and three fragments of one GOP each
  assert.equal(pieces.length, 4)
  save(3)
  assertFrames(await probe(path), frames.slice(0, 60))
})

test('a fragment is 2 s at most, however far apart the keyframes are', { skip }, async (t) => {
  const frames = await codedFrames({ count: 100, gop: 1_000 })
  const { path, pieces, finish } = written(t, frames)
  assert.equal(pieces.length, 4)
  finish()
  assertFrames(await probe(path), frames)
})

test('a file that was cut off anywhere is repaired up to its last whole fragment', { skip }, async (t) => {
  const frames = await codedFrames({ count: 100 })
  const { path, save, pieces } = written(t, frames)
  for (const extra of [0, 7, 8, (pieces[3]?.length ?? 0) - 1]) {
    save(3, extra)
    const movie = await repairMovie(path)
    assert.deepEqual([movie?.width, movie?.height, movie?.hasAudio], [128, 96, false])
    assert.ok(Math.abs((movie?.durationMs ?? 0) - 4_000) < 2)
    assert.equal(movie?.bytes, readFileSync(path).length)
    assertFrames(await probe(path), frames.slice(0, 60))
    assert.ok(Math.abs((await duration(path)) - 4) < 0.05)
  }
  save(1, 100)
  assert.equal(await repairMovie(path), undefined)
  assert.equal(await repairMovie(`${path}.not-there`), undefined)
})

test('a repaired file is the same as a finished one', async (t) => {
  const frames = await codedFrames({ count: 91 })
  const { path, finish } = written(t, frames)
  const whole = finish()
  await repairMovie(path)
  assert.ok(readFileSync(path).equals(whole))
})

test('when the disk takes no fragment, the next one begins with a keyframe', { skip }, async (t) => {
  const frames = await codedFrames({ count: 150, gop: 45 })
  const path = join(temporaryFolder(t), 'movie.mp4')
  const pieces: Buffer[] = []
  const [first] = frames
  const sets = first && parameterSets(first.data)
  assert.ok(first && sets)
  let asked = 0
  const movie = new MovieWriter({
    ...{ first, ...sets, ...frameSize(sets.sps), hasSound: false },
    // the header, then the first fragment is 0 to 2 s, the second one 2 s to the keyframe at 3 s
    write: (piece) => (++asked === 3 ? false : pieces.push(piece) > 0),
    sounds: () => [],
  })
  for (const frame of frames) movie.add(frame)
  const patches = movie.finish()
  const file = Buffer.concat(pieces)
  for (const { at, data } of patches) data.copy(file, at)
  writeFileSync(path, file)
  const times = (await probe(path)).map(({ time }) => Math.round(time * FPS))
  const expected = frames.map(({ index }) => index - 1).filter((index) => index < 30 || index >= 45)
  assert.deepEqual(times, expected)
})

test('the frame size is that of the parameter set', async () => {
  for (const size of [
    { width: 128, height: 96 },
    { width: 640, height: 362 },
    { width: 1280, height: 720 },
  ]) {
    const [first] = await codedFrames({ count: 1, size })
    const sets = first && parameterSets(first.data)
    assert.deepEqual(sets && frameSize(sets.sps), size)
  }
  assert.throws(() => frameSize(Buffer.from('6742e01f', 'hex')), RangeError)
})
