import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { UnavailableError } from '#lib/unavailable-error.ts'
import { JpegSplitter } from '#services/vision/camera/sources/jpeg-splitter.ts'
import { JpegEncoder } from '#services/vision/encode/jpeg.ts'
import { noisyFrame } from '#test/vision/frames.ts'

const SIZE = { width: 64, height: 48 }

async function jpegs(count: number): Promise<Buffer[]> {
  using encoder = await JpegEncoder.open(SIZE)
  const files: Buffer[] = []
  for (let index = 0; index < count; index++) {
    using pixels = noisyFrame(SIZE, index)
    files.push(await encoder.encode(pixels))
  }
  return files
}

test('JPEG files are found however the stream is cut', async () => {
  const files = await jpegs(4)
  const stream = Buffer.concat([Buffer.from('rubbish'), ...files])
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 900 }), { minLength: 1 }), (steps) => {
      const splitter = new JpegSplitter()
      const found: Buffer[] = []
      for (let at = 0, i = 0; at < stream.length; i++) {
        const step = steps[i % steps.length] ?? 1
        found.push(...splitter.push(stream.subarray(at, at + step)).map((file) => Buffer.from(file)))
        at += step
      }
      assert.deepEqual(found, files)
    }),
    { numRuns: 30 },
  )
})

test('a thumbnail inside a file does not end it', async () => {
  const [file = Buffer.alloc(0), thumbnail = Buffer.alloc(0)] = await jpegs(2)
  const segment = Buffer.concat([Buffer.from([0xff, 0xe1, 0, 0]), thumbnail])
  segment.writeUInt16BE(thumbnail.length + 2, 2)
  const whole = Buffer.concat([file.subarray(0, 2), segment, file.subarray(2)])
  assert.deepEqual(new JpegSplitter().push(whole), [whole])
})

test('a JPEG without an end is rejected', () => {
  const splitter = new JpegSplitter()
  const endless = Buffer.concat([Buffer.from([0xff, 0xd8, 0xff, 0xda, 0, 2]), Buffer.alloc(1024 * 1024)])
  assert.throws(() => {
    for (let i = 0; i < 10; i++) splitter.push(endless)
  }, UnavailableError)
})
