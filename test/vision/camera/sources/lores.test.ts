import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { UnavailableError } from '#lib/unavailable-error.ts'
import { LoresFrames } from '#services/vision/camera/sources/lores-frames.ts'
import { captureFrom } from '#services/vision/camera/sources/open.ts'
import { VisionSection } from '#services/vision/config.ts'
import { planesOf } from '#services/vision/image/pixels.ts'
import { temporaryFolder } from '#test/helpers/folder.ts'
import { without } from '#test/helpers/tools.ts'

const LARGE = { width: 320, height: 240 }
const SMALL = { width: 64, height: 48 }

/** Brightness and widths of so many pictures and their small ones. */
async function captureBoth(t: TestContext, source: object, count: number) {
  const ending = new AbortController()
  const seen: { large: [number, number]; small: [number, number] | undefined }[] = []
  await captureFrom(VisionSection.parse({ source }).source)({
    ...LARGE,
    fps: 25,
    signal: AbortSignal.any([t.signal, ending.signal]),
    emit(pixels, small) {
      const facts = (frame: typeof pixels): [number, number] => [frame.width, planesOf(frame).y[0] ?? 0]
      seen.push({ large: facts(pixels), small: small && facts(small) })
      pixels.free()
      small?.free()
      if (seen.length === count) ending.abort()
    },
  })
  return seen
}

/** The main frames are complete; on a busy machine low-resolution ones that wait too long are dropped, never mixed up. */
function assertPairs(seen: Awaited<ReturnType<typeof captureBoth>>, first: number): void {
  for (const [i, { large, small }] of seen.entries()) {
    assert.deepEqual(large, [320, first + i])
    if (small) assert.deepEqual(small, [64, first + i])
  }
  assert.ok(seen.some(({ small }) => small))
}

test('low-resolution frames of chunks in one turn stay in order', () => {
  using pictures = new LoresFrames(SMALL)
  const picture = (brightness: number) => Buffer.alloc((SMALL.width * SMALL.height * 3) / 2, brightness)
  const bytes = Buffer.concat([30, 31, 32].map(picture))
  const cut = Math.round(bytes.length * 0.8)
  pictures.read(bytes.subarray(0, cut))
  pictures.read(bytes.subarray(cut))
  for (const brightness of [30, 31, 32]) {
    using pixels = pictures.next()
    assert.equal(pixels && planesOf(pixels).y[0], brightness)
  }
})

test('low-resolution frames of a program arrive with their main frames', async (t) => {
  const script = `const fs = require('node:fs')
    let index = 20
    setInterval(() => {
      index++
      fs.writeSync(3, Buffer.alloc(64 * 48 * 3 / 2, index))
      fs.writeSync(1, Buffer.alloc(320 * 240 * 3 / 2, index))
    }, 20)`
  const command = [process.execPath, '-e', script]
  const seen = await captureBoth(t, { type: 'exec', command, format: 'yuv420p', ...LARGE, lores: SMALL }, 10)
  assertPairs(seen, 21)
})

/** Stands in for the module of Raspberry Pi OS: pictures that get brighter, their rows padded as the hardware pads them. */
const PICAMERA2 = `
class Array:
    def __init__(self, rows, stride, data):
        self.shape, self.data = (rows, stride), data
    def reshape(self, *shape):
        return Flat(self.data) if shape == (-1,) else self
class Flat:
    def __init__(self, data):
        self.data = data
    def __getitem__(self, cut):
        return Flat(self.data[cut])
    def reshape(self, rows, columns):
        return Table([self.data[i * columns:(i + 1) * columns] for i in range(rows)])
class Table:
    def __init__(self, rows):
        self.rows = rows
    def __getitem__(self, cut):
        return Table([row[cut[1]] for row in self.rows])
    def tobytes(self):
        return b"".join(self.rows)
class Request:
    def __init__(self, config, index):
        self.config, self.index = config, index
    def make_array(self, name):
        width, height = self.config[name]["size"]
        assert self.config[name]["format"] == "YUV420"
        stride = width + 64
        def plane(rows, used, stride):
            return (bytes([self.index]) * used + b"\\xff" * (stride - used)) * rows
        data = plane(height, width, stride) + plane(height, width // 2, stride // 2)
        return Array(height * 3 // 2, stride, data)
    def release(self):
        pass
class Picamera2:
    index = 30
    def create_video_configuration(self, **config):
        assert config["controls"]["FrameRate"] == 25
        return config
    def configure(self, config):
        self.config = config
    def start(self):
        pass
    def stop(self):
        pass
    def capture_request(self):
        import time
        time.sleep(0.02)
        self.index += 1
        return Request(self.config, self.index)
`

test('picamera2 delivers both streams, without row padding', { skip: without('python3') }, async (t) => {
  const folder = temporaryFolder(t)
  writeFileSync(join(folder, 'picamera2.py'), PICAMERA2)
  const before = process.env.PYTHONPATH
  process.env.PYTHONPATH = folder
  t.after(() => {
    if (before === undefined) delete process.env.PYTHONPATH
    else process.env.PYTHONPATH = before
  })
  const seen = await captureBoth(t, { type: 'rpicam', lores: SMALL }, 5)
  assertPairs(seen, 31)
})

test('a program that exits within a frame may have another frame size, and the error says so', async (t) => {
  const script = 'process.stdout.write(Buffer.alloc(100_000))'
  const source = { type: 'exec', command: [process.execPath, '-e', script], format: 'yuv420p', ...LARGE }
  await assert.rejects(
    captureBoth(t, source, 1),
    (err) => err instanceof UnavailableError && /within a frame of 320x240/.test(err.message),
  )
})
