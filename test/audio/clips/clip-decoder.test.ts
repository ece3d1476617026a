import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { test } from 'node:test'
import { AacEncoder } from '#services/audio/clips/aac-encoder.ts'
import { decodeClip } from '#services/audio/clips/clip-decoder.ts'
import { without } from '#test/helpers/tools.ts'
import { chirps, correlation, toWav } from '../signals.ts'

const base64 = (bytes: Buffer) => bytes.toString('base64')

/** AAC of `seconds` of chirps. */
function toAac(seconds: number): Buffer {
  using encoder = new AacEncoder()
  encoder.add(chirps(seconds))
  return encoder.finish()
}

test('WAV and AAC become samples', async () => {
  const wav = await decodeClip(base64(toWav(chirps(3))), 'wav')
  assert.equal(wav.length, 144_000)
  assert.ok(correlation(wav) > 0.99)
  const aac = await decodeClip(base64(toAac(3)), 'aac')
  assert.ok(Math.abs(aac.length - 144_000) <= 3_072, String(aac.length))
  assert.ok(correlation(aac) > 0.9, String(correlation(aac)))
})

const OTHERS = {
  mp3: ['-f', 'mp3'],
  opus: ['-f', 'ogg', '-c:a', 'libopus'],
  m4a: ['-f', 'ipod', '-movflags', 'frag_keyframe+empty_moov'],
  wav: ['-f', 'wav', '-ar', '44100', '-ac', '2'],
}
for (const [format, args] of Object.entries(OTHERS)) {
  test(`${format} of another program`, { skip: without('ffmpeg') }, async () => {
    const quiet = ['-hide_banner', '-loglevel', 'error', '-f', 'wav', '-i', '-']
    const bytes = execFileSync('ffmpeg', [...quiet, ...args, '-'], { input: toWav(chirps(3)) })
    const samples = await decodeClip(base64(bytes), format)
    assert.ok(correlation(samples) > 0.9, String(correlation(samples)))
  })
}

test('a clip of 10 s in WAV is taken, a longer one and a larger one are not', async () => {
  assert.equal((await decodeClip(base64(toWav(chirps(10))), 'wav')).length, 480_000)
  await assert.rejects(decodeClip(base64(toAac(11)), 'aac'), { message: 'the clip is longer than 10 s' })
  await assert.rejects(decodeClip(base64(Buffer.alloc(10_000_000)), 'aac'), {
    message: 'the clip is larger than 1 MiB',
  })
})

test('what is no clip is refused with a reason', async () => {
  const cases: [data: unknown, format: unknown, reason: RegExp][] = [
    [undefined, 'aac', /data must be base64/],
    ['', 'aac', /data must be base64/],
    [7, 'aac', /data must be base64/],
    ['!!!', 'aac', /empty/],
    [base64(Buffer.from('hello, this is text')), 'aac', /cannot/],
    [base64(Buffer.alloc(50_000)), 'wav', /cannot|no sound/],
    [base64(toWav(chirps(1))), 'flac', /format must be/],
    [base64(toWav(new Int16Array())), 'wav', /cannot|no sound/],
    [base64(Buffer.from('#EXTM3U\n/etc/passwd\n')), 'aac', /cannot/],
    [base64(Buffer.from("ffconcat version 1.0\nfile '/etc/passwd'\n")), 'aac', /cannot/],
  ]
  for (const [data, format, reason] of cases) await assert.rejects(decodeClip(data, format), reason)
})

/** A box of an MP4 file. */
function box(type: string, ...content: Buffer[]): Buffer {
  const body = Buffer.concat(content)
  const header = Buffer.alloc(8)
  header.writeUInt32BE(body.length + 8)
  header.write(type, 4, 'latin1')
  return Buffer.concat([header, body])
}

const words = (...values: number[]) => {
  const bytes = Buffer.alloc(values.length * 4)
  for (const [i, value] of values.entries()) bytes.writeUInt32BE(value, i * 4)
  return bytes
}

test('decompression bombs are refused: a table that claims a thousand million samples, silence that lasts for hours', async () => {
  const table = (type: string, ...values: number[]) =>
    Buffer.concat([
      box('ftyp', Buffer.from('M4A isom')),
      box('moov', box('trak', box('mdia', box('minf', box('stbl', box(type, words(0, ...values))))))),
    ])
  const before = process.memoryUsage().rss
  for (const bomb of [
    table('stsz', 1, 0x3fffffff),
    table('stts', 1, 0x3fffffff, 1),
    table('stco', 0x3fffffff),
  ]) {
    await assert.rejects(decodeClip(base64(bomb), 'm4a'), /claims more samples/)
  }
  // the same table where FFmpeg would find it without a file type, and where it is compressed
  const hidden = table('stsz', 1, 0x3fffffff).subarray(box('ftyp', Buffer.from('M4A isom')).length)
  for (const first of ['free', 'wide', 'mdat', 'none']) {
    await assert.rejects(
      decodeClip(base64(Buffer.concat([box(first, Buffer.alloc(8)), hidden])), 'm4a'),
      first,
    )
  }
  await assert.rejects(decodeClip(base64(hidden), 'm4a'))
  const compressed = Buffer.concat([
    box('ftyp', Buffer.from('M4A isom')),
    box('moov', box('cmov', Buffer.alloc(64))),
  ])
  await assert.rejects(decodeClip(base64(compressed), 'm4a'), /compressed/)
  // a rate of 8 samples a second makes an hour of 30 kB
  const slow = toWav(new Int16Array(28_800))
  slow.writeUInt32LE(8, 24)
  await assert.rejects(decodeClip(base64(slow), 'wav'))
  // one block of silence that repeats
  const [frame = Buffer.alloc(0)] = [toAac(1).subarray(0, 200)]
  const many = Buffer.concat(Array.from({ length: 3_000 }, () => frame))
  await assert.rejects(decodeClip(base64(many), 'aac'))
  const grown = process.memoryUsage().rss - before
  assert.ok(grown < 150e6, `${Math.round(grown / 1e6)} MB`)
})

test('damaged files neither crash nor hang', async () => {
  const good = toWav(chirps(1))
  const aac = toAac(1)
  let seed = 7
  const random = (n: number) => {
    seed = (seed * 48_271) % 2_147_483_647
    return seed % n
  }
  for (let i = 0; i < 60; i++) {
    const bytes = Buffer.from(i % 2 ? good.subarray(0, 4_000) : aac)
    for (let n = 0; n < 20; n++) bytes[random(bytes.length)] = random(256)
    await decodeClip(base64(bytes.subarray(0, 1 + random(bytes.length))), 'aac').catch(() => {})
  }
})
