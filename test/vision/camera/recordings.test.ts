import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { createLogger } from '#lib/logger.ts'
import { Camera } from '#services/vision/camera/camera.ts'
import { captureFrom } from '#services/vision/camera/sources/open.ts'
import { planesOf } from '#services/vision/image/pixels.ts'
import { temporaryFolder } from '#test/helpers/folder.ts'
import { without } from '#test/helpers/tools.ts'

/** The first frame of a recording: its size and the quarter that is bright. */
async function show(t: TestContext, url: string): Promise<string> {
  await using camera = new Camera({
    settings: {
      source: { type: 'url', url, loop: false },
      width: 1280,
      height: 720,
      fps: 30,
      rotate: 0,
      flip: 'none',
    },
    captureFrom,
    log: createLogger('test', { write() {} }),
  })
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  t.signal.addEventListener('abort', reject)
  camera.on('frame', ({ live, pixels }) => {
    if (!live) return
    const { width, height, y, strideY } = planesOf(pixels)
    const isBright = (x: number, row: number) => (y[Math.floor(row) * strideY + Math.floor(x)] ?? 0) > 150
    const quarters = [
      ['upper left', width / 8, height / 8],
      ['upper right', (width * 7) / 8, height / 8],
      ['lower left', width / 8, (height * 7) / 8],
      ['lower right', (width * 7) / 8, (height * 7) / 8],
    ] as const
    const bright = quarters.filter(([, x, row]) => isBright(x, row)).map(([name]) => name)
    resolve(`${width}x${height} ${bright.join(', ')}`)
  })
  camera.start()
  return await promise
}

/** Records 320×160, bright in the upper left quarter, with further arguments of ffmpeg. */
function record(file: string, ...args: string[]): void {
  const source = 'color=black:s=320x160:r=10:d=1,drawbox=x=0:y=0:w=160:h=80:color=white:t=fill'
  const encode = ['-c:v', 'libx264', '-pix_fmt', 'yuv420p', ...args, file]
  execFileSync('ffmpeg', ['-v', 'error', '-y', '-f', 'lavfi', '-i', source, ...encode])
}

const skip = { skip: without('ffmpeg'), timeout: 30_000 }

const QUARTERS = ['upper left', 'upper right', 'lower left', 'lower right']

/** The quarter that is bright where ffmpeg itself plays the recording. */
function brightQuarter(file: string): string {
  const play = ['-v', 'error', '-i', file, '-frames:v', '1', '-vf', 'scale=2:2', '-pix_fmt', 'gray']
  const pixels = execFileSync('ffmpeg', [...play, '-f', 'rawvideo', '-'])
  return QUARTERS.filter((_, i) => (pixels[i] ?? 0) > 150).join(', ')
}

for (const rotate of [0, 90, 180, 270]) {
  test(
    `a recording of ffmpeg with rotate=${rotate} is shown upright, as ffmpeg shows it`,
    skip,
    async (t) => {
      const folder = temporaryFolder(t)
      const [plain, turned] = [join(folder, 'plain.mp4'), join(folder, 'turned.mp4')]
      record(plain)
      // a copy, as editors of recordings make: only then does ffmpeg write a display matrix
      const copy = ['-i', plain, '-c', 'copy', '-metadata:s:v:0', `rotate=${rotate}`, turned]
      execFileSync('ffmpeg', ['-v', 'error', '-y', ...copy])
      const size = rotate % 180 === 0 ? '320x160' : '160x320'
      assert.equal(await show(t, turned), `${size} ${brightQuarter(turned)}`)
    },
  )
}

for (const [container, aspect, shown] of [
  ['mp4', '2/1', '640x160 upper left'],
  ['mkv', '2/1', '640x160 upper left'],
  ['ts', '2/1', '640x160 upper left'],
  ['mp4', '1/2', '160x160 upper left'],
  // DVB, PAL 16:9
  ['avi', '64/45', '454x160 upper left'],
] as const) {
  test(`pixels of ${aspect} in ${container} are shown square`, skip, async (t) => {
    const file = join(temporaryFolder(t), `clip.${container}`)
    record(file, '-vf', `setsar=${aspect}`)
    assert.equal(await show(t, file), shown)
  })
}
