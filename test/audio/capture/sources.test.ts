import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { toEpoch } from '#lib/media/wall-clock.ts'
import { captureFrom } from '#services/audio/capture/sources/open.ts'
import { AudioSection } from '#services/audio/config.ts'
import { temporaryFolder } from '#test/helpers/folder.ts'
import { endlessCamera } from '#test/helpers/rtsp-camera.ts'
import { without } from '#test/helpers/tools.ts'
import { chirps, correlation } from '../signals.ts'
import { player } from '../start-audio.ts'

/** So many samples of a source, and when the first and the last were captured. */
async function record(source: object, count: number) {
  const section = AudioSection.parse({ source }).source
  assert.ok(section.type !== 'none')
  const enough = new AbortController()
  const samples = new Int16Array(count)
  const times: number[] = []
  let filled = 0
  const start = performance.now()
  await captureFrom(section)({
    signal: enough.signal,
    emit(chunk, at) {
      times.push(at)
      samples.set(chunk.subarray(0, count - filled), filled)
      filled = Math.min(count, filled + chunk.length)
      if (filled === count) enough.abort()
    },
  })
  return { samples: samples.subarray(0, filled), times, took: performance.now() - start }
}

function clip(t: TestContext, name: string, ...options: string[]): string {
  const folder = temporaryFolder(t)
  const raw = join(folder, 'clip.raw')
  writeFileSync(raw, Buffer.from(chirps(4).buffer))
  const path = join(folder, name)
  execFileSync('ffmpeg', ['-loglevel', 'error', '-f', 's16le', '-ar', '48000', '-i', raw, ...options, path])
  return path
}

for (const [rate, channels] of [
  [48_000, 1],
  [44_100, 2],
  [16_000, 1],
]) {
  test(`a program that writes ${rate} Hz, ${channels} channels, is heard as it is`, async () => {
    const command = player('--rate', String(rate), '--channels', String(channels))
    const { samples } = await record({ type: 'exec', command, rate, channels }, 96_000)
    assert.ok(correlation(samples) > 0.98, String(correlation(samples)))
  })
}

test('a program that writes faster than real time is played in real time', async (t) => {
  const raw = join(temporaryFolder(t), 'clip.raw')
  writeFileSync(raw, Buffer.from(chirps(8).buffer))
  const { samples, took } = await record({ type: 'exec', command: ['cat', raw] }, 6 * 48_000)
  assert.ok(took > 2_500, `${took} ms`)
  assert.ok(correlation(samples) > 0.98)
})

test('files are decoded, in real time, and again from the beginning', {
  skip: without('ffmpeg'),
}, async (t) => {
  const url = clip(t, 'clip.m4a', '-t', '1.5', '-ac', '2', '-ar', '44100')
  const { samples, times, took } = await record({ type: 'url', url }, 2 * 48_000)
  assert.ok(took > 1_900, `${took} ms`)
  assert.ok(samples.subarray(80_000).some((sample) => Math.abs(sample) > 5_000))
  // a busy machine reads the first samples late, and catches up
  assert.ok((times.at(-1) ?? 0) - (times[0] ?? 0) > 1_000, 'not all at once')
})

test('a file plays what it holds', { skip: without('ffmpeg') }, async (t) => {
  for (const name of ['clip.wav', 'clip.opus']) {
    const { samples } = await record({ type: 'url', url: clip(t, name) }, 2 * 48_000)
    assert.ok(correlation(samples) > 0.95, `${name}: ${correlation(samples)}`)
  }
})

test('files without sound, missing ones and other protocols are refused with the reason', async () => {
  const open = (url: string) => record({ type: 'url', url }, 10)
  await assert.rejects(open('demo/clip.mp4'), { name: 'UnavailableError', message: 'no sound in it' })
  await assert.rejects(open('/none.wav'), { name: 'UnavailableError', message: 'cannot open: No such file' })
  await assert.rejects(open('http://127.0.0.1/a.wav'), { message: 'cannot open: unsupported protocol http' })
  await assert.rejects(open('concat:a.wav|b.wav'), { name: 'UnavailableError' })
  await assert.rejects(open('README.md'), { name: 'UnavailableError', message: /^cannot open: / })
})

test('the synthetic source clicks at each second of the wall clock', async () => {
  const { samples, times } = await record({ type: 'synthetic' }, 2 * 48_000)
  const loud = samples.findIndex((sample, i) => Math.abs(sample) > 8_000 && i > 1_920)
  const silentBefore = samples.subarray(loud - 1_920, loud - 48).every((sample) => sample === 0)
  assert.ok(loud > 0 && silentBefore)
  const at = toEpoch((times[Math.floor(loud / 960)] ?? 0) + (loud % 960) / 48) % 1_000
  assert.ok(Math.min(at, 1_000 - at) < 3, `${at} ms after a second`)
})

test('ALSA devices are recorded by arecord, whose reason is that of the state', {
  skip: without('arecord'),
}, async () => {
  const failing = record({ type: 'alsa', device: 'plughw:CARD=Missing' }, 10)
  await assert.rejects(failing, {
    name: 'UnavailableError',
    message: /^arecord exited with code 1 .*No such/,
  })
})

/** A frame of AAC that never ends: no packet has the marker. RFC 6416 §6.1. */
const ENDLESS_FRAME = {
  sdp: ['m=audio 0 RTP/AVP 96', 'a=rtpmap:96 MP4A-LATM/48000'],
  payload: () => Buffer.alloc(1_200, 0x41),
}

for (const transport of ['tcp', 'udp']) {
  test(`a camera whose sound never ends a frame is given up: ${transport}`, {
    timeout: 60_000,
  }, async (t) => {
    const url = await endlessCamera(t, ENDLESS_FRAME)
    await assert.rejects(record({ type: 'url', url, rtsp_transport: transport }, 1), {
      name: 'UnavailableError',
      message: 'cannot read: no complete frame in 1 MiB',
    })
  })
}
