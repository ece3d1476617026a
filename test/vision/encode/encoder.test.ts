import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nalUnits } from '#bus/access-unit.ts'
import { Encoder } from '#services/vision/encode/encoder.ts'
import { noisyFrame, openH264, plainFrame } from '#test/vision/frames.ts'

const FPS = 15
const SIZE = { width: 640, height: 360 }
const OPTIONS = { ...SIZE, fps: FPS, bitrate: 600_000, matrix: 'bt601' as const }

const typesOf = (data: Buffer) => [...nalUnits(data)].map((nal) => (nal[0] ?? 0) & 0x1f)

test('the SPS has constrained baseline, level 3.1, as the SDP', async () => {
  for (const size of [SIZE, { width: 1280, height: 720 }, { width: 960, height: 540 }]) {
    using encoder = await Encoder.open({ ...OPTIONS, ...size })
    using pixels = plainFrame(size, [10, 200, 30])
    const data = await encoder.encode(pixels, { at: 0, keyframe: false })
    const sps = [...nalUnits(data)].find((nal) => ((nal[0] ?? 0) & 0x1f) === 7)
    // profile_idc 66, constraint_set0 and 1, level_idc 31. H.264 7.4.2.1.1
    assert.strictEqual(sps?.subarray(1, 4).toString('hex'), '42e01f')
  }
})

test('IDR frames come first and on request only, with parameter sets', async () => {
  using encoder = await Encoder.open(OPTIONS)
  for (let index = 0; index < 12; index++) {
    // every picture is new: no scene cut may make a keyframe of it
    using pixels = noisyFrame(SIZE, index)
    const data = await encoder.encode(pixels, { at: (index * 1000) / FPS, keyframe: index === 7 })
    const types = typesOf(data)
    const idr = index === 0 || index === 7
    assert.strictEqual(types.includes(5), idr)
    assert.strictEqual(types.includes(7) && types.includes(8), idr)
  }
})

test('a new bitrate takes effect while the encoder runs', async () => {
  using encoder = await Encoder.open({ ...OPTIONS, bitrate: 1_500_000 })
  const bytes = { before: 0, after: 0 }
  for (let index = 0; index < 60; index++) {
    if (index === 30) encoder.bitrate = 300_000
    using pixels = noisyFrame(SIZE, index)
    const data = await encoder.encode(pixels, { at: (index * 1000) / FPS, keyframe: false })
    if (index >= 10 && index < 30) bytes.before += data.length
    if (index >= 40) bytes.after += data.length
  }
  assert.ok(bytes.after < bytes.before / 2, JSON.stringify(bytes))
})

test('the bitrate is kept for frames that are hard to encode, and keyframes stay small (E12)', async () => {
  using encoder = await Encoder.open(OPTIONS)
  const sizes: number[] = []
  for (let index = 0; index < 60; index++) {
    using pixels = noisyFrame(SIZE, index)
    const data = await encoder.encode(pixels, { at: (index * 1000) / FPS, keyframe: index === 40 })
    if (index >= 15) sizes.push(data.length)
  }
  const bitrate = (sizes.reduce((sum, size) => sum + size) * 8 * FPS) / sizes.length
  assert.ok(bitrate < OPTIONS.bitrate * 1.3, `${bitrate} bit/s`)
  // half a second of video, at most
  assert.ok(Math.max(...sizes) * 8 < OPTIONS.bitrate * 0.5, `${Math.max(...sizes)} bytes`)
})

test('encoded frames decode without delay to the same colors', async () => {
  using encoder = await Encoder.open(OPTIONS)
  using decoder = await openH264()
  using pixels = plainFrame(SIZE, [200, 40, 90])
  using decoded = await decoder.decode(await encoder.encode(pixels, { at: 0, keyframe: false }))
  for (const plane of [0, 1, 2]) {
    const difference = (decoded?.data?.[plane]?.[5000] ?? 0) - (pixels.data?.[plane]?.[5000] ?? 0)
    assert.ok(Math.abs(difference) <= 2)
  }
  assert.strictEqual(decoded?.colorSpace, pixels.colorSpace)
  assert.strictEqual(decoded?.colorRange, pixels.colorRange)
})
