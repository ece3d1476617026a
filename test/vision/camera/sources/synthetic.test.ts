import assert from 'node:assert/strict'
import { test } from 'node:test'
import { captureSynthetic } from '#services/vision/camera/sources/synthetic.ts'
import { Encoder } from '#services/vision/encode/encoder.ts'
import { type Planes, planesOf } from '#services/vision/image/pixels.ts'
import { colorAt, openH264 } from '#test/vision/frames.ts'

const SIZE = { width: 1280, height: 720 }

/** As the viewer page reads it: the middle of each block, dark or bright. */
function readTime(planes: Planes): number {
  let time = 0
  for (let bit = 0; bit < 32; bit++) {
    const [luma = 0] = colorAt(planes, bit * 32 + 16, 24)
    if (luma > 126) time += 2 ** bit
  }
  return time
}

test('the wall clock can be read from the synthetic frame after encoding and decoding', async () => {
  const ending = new AbortController()
  using encoder = await Encoder.open({ ...SIZE, fps: 30, bitrate: 1_500_000, matrix: 'bt709' })
  using decoder = await openH264()
  const begin = Date.now()
  const times: number[] = []
  await captureSynthetic({
    ...SIZE,
    fps: 30,
    signal: ending.signal,
    async emit(source) {
      using pixels = source
      const data = await encoder.encode(pixels, { at: performance.now(), keyframe: false })
      using decoded = await decoder.decode(data)
      if (decoded) times.push(readTime(planesOf(decoded)))
      if (times.length === 8) ending.abort()
    },
  })
  const since = times.map((time) => (time - (begin % 2 ** 31) + 2 ** 31) % 2 ** 31)
  assert.deepEqual(
    since,
    since.toSorted((a, b) => a - b),
  )
  assert.ok((since[0] ?? 0) < 5_000 && (since.at(-1) ?? 0) < 10_000 && since.at(-1) !== since[0], `${since}`)
})

test('the squares of the barcode are exactly bright or dark, without color', async () => {
  const ending = new AbortController()
  await captureSynthetic({
    ...SIZE,
    fps: 15,
    signal: ending.signal,
    emit(source) {
      using pixels = source
      const planes = planesOf(pixels)
      for (let bit = 0; bit < 32; bit++) {
        for (const [x, y] of [
          [0, 8],
          [31, 39],
        ] as const) {
          const [luma = 0, u, v] = colorAt(planes, bit * 32 + x, y)
          assert.ok(luma === 16 || luma === 235)
          assert.deepEqual([u, v], [128, 128])
        }
      }
      assert.deepEqual(colorAt(planes, 31 * 32 + 16, 24), [16, 128, 128])
      ending.abort()
    },
  })
})
