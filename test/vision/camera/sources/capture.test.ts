import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { chmod, mkdtempDisposable, writeFile } from 'node:fs/promises'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { type TestContext, test } from 'node:test'
import type { Frame } from 'node-av/lib'
import { UnavailableError } from '#lib/unavailable-error.ts'
import { captureFrom } from '#services/vision/camera/sources/open.ts'
import { type SourceSection, VisionSection } from '#services/vision/config.ts'
import { Encoder } from '#services/vision/encode/encoder.ts'
import { JpegEncoder } from '#services/vision/encode/jpeg.ts'
import { FrameConverter, planesOf } from '#services/vision/image/pixels.ts'
import { colorAt, plainFrame } from '#test/vision/frames.ts'
import { writeClip } from '../../../../demo/clip-writer.ts'

const SIZE = { width: 328, height: 246 }
const COLOR = [200, 60, 40] as const

/** Captures so many pictures and gives them to `look`. */
async function captureSome(t: TestContext, source: object, count: number, look: (pixels: Frame) => void) {
  const section: SourceSection = VisionSection.parse({ source }).source
  const ending = new AbortController()
  using converter = new FrameConverter({ width: 1280, height: 720 })
  let seen = 0
  await captureFrom(section)({
    ...SIZE,
    fps: 50,
    signal: AbortSignal.any([t.signal, ending.signal]),
    async emit(captured) {
      using pixels = await converter.convert(captured)
      if (seen < count) look(pixels)
      if (++seen === count) ending.abort()
    },
  })
  assert.ok(seen >= count)
}

/** A program that writes a file again and again, in odd pieces. */
const repeat = (file: string) => [
  process.execPath,
  '-e',
  `const bytes = require('node:fs').readFileSync(process.argv[1])
   const write = () => {
     for (let at = 0; at < bytes.length; at += 7001) process.stdout.write(bytes.subarray(at, at + 7001))
     setTimeout(write, 5)
   }
   write()`,
  file,
]

async function fileOf(t: TestContext, name: string, bytes: Buffer): Promise<string> {
  const folder = await mkdtempDisposable(join(tmpdir(), 'wimz-vision-'))
  t.after(() => folder.remove())
  const path = join(folder.path, name)
  await writeFile(path, bytes)
  return path
}

function assertColour(pixels: Frame): void {
  assert.deepEqual([pixels.width, pixels.height], [SIZE.width, SIZE.height])
  using expected = plainFrame(SIZE, COLOR)
  for (const [i, value] of colorAt(planesOf(pixels), 100, 100).entries()) {
    assert.ok(Math.abs((value ?? 0) - (colorAt(planesOf(expected), 100, 100)[i] ?? 0)) <= 4)
  }
}

test('raw frames of a program arrive unchanged', async (t) => {
  const bytes = randomBytes((SIZE.width * SIZE.height * 3) / 2)
  const source = { type: 'exec', command: repeat(await fileOf(t, 'raw', bytes)), format: 'yuv420p', ...SIZE }
  await captureSome(t, source, 5, (pixels) => assert.ok(pixels.toBuffer().equals(bytes)))
})

test('MJPEG of a program arrives frame by frame', async (t) => {
  using encoder = await JpegEncoder.open(SIZE)
  using pixels = plainFrame(SIZE, COLOR)
  const file = await fileOf(t, 'picture.jpg', await encoder.encode(pixels))
  await captureSome(t, { type: 'exec', command: repeat(file), format: 'mjpeg' }, 5, assertColour)
})

test('H.264 of a program arrives frame by frame', async (t) => {
  using encoder = await Encoder.open({ ...SIZE, fps: 15, bitrate: 500_000, matrix: 'bt601' })
  using pixels = plainFrame(SIZE, COLOR)
  const units: Buffer[] = []
  for (let index = 0; index < 10; index++) {
    units.push(await encoder.encode(pixels, { at: index * 66, keyframe: false }))
  }
  const file = await fileOf(t, 'clip.h264', Buffer.concat(units))
  await captureSome(t, { type: 'exec', command: repeat(file), format: 'h264' }, 5, assertColour)
})

async function serve(t: TestContext, listener: RequestListener) {
  const server = createServer(listener)
  t.after(() => {
    server.close()
    server.closeAllConnections()
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  return { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/live.h264` }
}

test('a stream over HTTP arrives as it is sent', async (t) => {
  using encoder = await Encoder.open({ ...SIZE, fps: 15, bitrate: 500_000, matrix: 'bt601' })
  const units: Buffer[] = []
  for (let index = 0; index < 100; index++) {
    using pixels = plainFrame(SIZE, COLOR)
    units.push(await encoder.encode(pixels, { at: index * 66, keyframe: index % 15 === 0 }))
  }
  const { url } = await serve(t, (_, response) => {
    const timer = setInterval(() => response.write(units.shift() ?? ''), 5)
    response.on('close', () => clearInterval(timer))
  })
  await captureSome(t, { type: 'url', url }, 10, assertColour)
})

test('a stream without data can be aborted at once', async (t) => {
  const { server, url } = await serve(t, () => {})
  const ending = new AbortController()
  const captured = captureFrom({ type: 'url', url, loop: false })({
    ...SIZE,
    fps: 15,
    signal: ending.signal,
    emit: (pixels) => pixels.free(),
  })
  await once(server, 'request')
  const begin = performance.now()
  ending.abort()
  await assert.rejects(captured, UnavailableError)
  assert.ok(performance.now() - begin < 3_000)
})

test('size and rate are replaced in the command', async (t) => {
  const script = `const [, size, fps] = process.argv
    if (size !== '328x246' || fps !== '50') process.exit(9)
    setInterval(() => process.stdout.write(Buffer.alloc(328 * 246 * 3 / 2)), 5)`
  const command = [process.execPath, '-e', script, '{width}x{height}', '{fps}']
  await captureSome(t, { type: 'exec', command, format: 'yuv420p' }, 2, () => {})
})

test('the error of a program has the last line of its stderr', async (t) => {
  const command = [
    process.execPath,
    '-e',
    `console.error('first'); console.error('no cameras available'); process.exit(3)`,
  ]
  await assert.rejects(
    captureSome(t, { type: 'exec', command, format: 'mjpeg' }, 1, () => {}),
    (err) => err instanceof UnavailableError && /code 3.*no cameras available/.test(err.message),
  )
  await assert.rejects(
    captureSome(t, { type: 'exec', command: ['/no/such/program'], format: 'mjpeg' }, 1, () => {}),
    (err) => err instanceof UnavailableError && /not found/.test(err.message),
  )
})

test('a program that ignores SIGTERM is killed', async (t) => {
  const script = `process.on('SIGTERM', () => {}); setInterval(() => process.stdout.write(Buffer.alloc(328 * 246 * 3 / 2)), 5)`
  const command = [process.execPath, '-e', script]
  await captureSome(t, { type: 'exec', command, format: 'yuv420p' }, 1, () => {})
})

test('a file is looped at its own rate', async (t) => {
  const path = await fileOf(t, 'clip.mp4', Buffer.alloc(0))
  await writeClip(path, Array(5).fill(Buffer.alloc(1280 * 720 * 4, 0x77)))
  const count = 13
  const times: number[] = []
  await captureSome(t, { type: 'url', url: path }, count, () => void times.push(performance.now()))
  const duration = (times.at(-1) ?? 0) - (times[0] ?? 0)
  // 15 fps; never faster than that, however busy the machine is
  assert.ok(duration > ((count - 1) * 1000) / 15 - 60, `${duration} ms`)
})

test('a file of bare H.264, which has no timestamps, does not run at full speed', async (t) => {
  const units: Buffer[] = []
  using pixels = plainFrame(SIZE, COLOR)
  using encoder = await Encoder.open({ ...SIZE, fps: 25, bitrate: 500_000, matrix: 'bt601' })
  for (let i = 0; i < 15; i++) units.push(await encoder.encode(pixels, { at: i * 40, keyframe: i === 0 }))
  const path = await fileOf(t, 'clip.h264', Buffer.concat(units))
  const count = 25
  const times: number[] = []
  await captureSome(t, { type: 'url', url: path }, count, () => void times.push(performance.now()))
  const duration = (times.at(-1) ?? 0) - (times[0] ?? 0)
  // the stream may say its rate, or not; far above that it is full speed
  assert.ok(duration > (count - 1) * 10, `${duration} ms`)
})

test('a file that is not looped ends', async (t) => {
  const path = await fileOf(t, 'clip.mp4', Buffer.alloc(0))
  await writeClip(path, Array(3).fill(Buffer.alloc(1280 * 720 * 4, 0x77)))
  await captureSome(t, { type: 'url', url: path, loop: false }, 3, () => {})
})

test('missing sources and files without video are unavailable, with the reason', async (t) => {
  for (const [source, reason] of [
    [{ type: 'url', url: 'README.md' }, /Invalid data/],
    [{ type: 'url', url: 'no-such-clip.mp4' }, /No such file/],
    [{ type: 'v4l2', device: '/dev/no-such-video' }, /^\/dev\/no-such-video: .*No such file/],
    [{ type: 'v4l2', device: '/dev/null', format: 'mjpeg' }, /cannot open/],
  ] as const) {
    await assert.rejects(
      captureSome(t, source, 1, () => {}),
      (err) => err instanceof UnavailableError && reason.test(err.message),
    )
  }
})

test('rpicam-vid is started with a width without row padding', async (t) => {
  // a stand-in that says what it was asked for and sends one picture of that size
  const script = `#!${process.execPath}
    const args = process.argv.slice(2)
    const of = (name) => Number(args[args.indexOf(name) + 1])
    if (of('--width') !== 320 || of('--height') !== 246 || of('--framerate') !== 50) process.exit(9)
    if (!args.includes('yuv420') || !args.includes('--hflip') || args.at(-1) !== '-') process.exit(8)
    process.stdout.write(Buffer.alloc(320 * 246 * 3 / 2, 99))
    setInterval(() => {}, 1000)`
  const path = await fileOf(t, 'rpicam-vid', Buffer.from(script))
  await chmod(path, 0o755)
  const before = process.env.PATH
  process.env.PATH = `${dirname(path)}:${before}`
  t.after(() => {
    process.env.PATH = before
  })
  await captureSome(t, { type: 'rpicam', args: ['--hflip'] }, 1, ({ width, height }) => {
    assert.deepEqual([width, height], [320, 246])
  })
})
