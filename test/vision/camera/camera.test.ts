import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { staysTrue, until } from '#dev/harness/until.ts'
import { createLogger } from '#lib/logger.ts'
import { UnavailableError } from '#lib/unavailable-error.ts'
import { Camera } from '#services/vision/camera/camera.ts'
import type { Capture } from '#services/vision/camera/sources/source.ts'
import { planesOf } from '#services/vision/image/pixels.ts'
import { fakeNow } from '#test/helpers/fake-clock.ts'
import { plainFrame } from '#test/vision/frames.ts'

const SIZE = { width: 320, height: 240 }

/** Works for so many pictures, then does as told. */
function capturing(count: number, ending: () => Promise<void> | void): Capture {
  return async ({ emit, signal }) => {
    for (let i = 0; i < count && !signal.aborted; i++) {
      await emit(plainFrame(SIZE, [40, 200, 90]))
      await sleep(20, undefined, { signal }).catch(() => {})
    }
    await ending()
  }
}

function openCamera(t: TestContext, capture: Capture | Record<string, Capture>) {
  const frames: { live: boolean; at: number; brightest: number }[] = []
  const logged: Record<string, unknown>[] = []
  const edges: [boolean, string | null][] = []
  const camera = new Camera({
    settings: { source: { type: 'synthetic' }, ...SIZE, fps: 50, rotate: 0, flip: 'none' },
    captureFrom: ({ type }) =>
      typeof capture === 'function' ? capture : (capture[type] ?? assert.fail(type)),
    log: createLogger('test', { write: (line: string) => void logged.push(JSON.parse(line)) }),
  })
  camera.on('edge', (...edge) => void edges.push(edge))
  camera.on('frame', ({ live, at, pixels }) => {
    frames.push({ live, at, brightest: Math.max(...planesOf(pixels).y.subarray(0, 320 * 240)) })
  })
  camera.start()
  t.after(() => camera[Symbol.asyncDispose]())
  return {
    camera,
    edges,
    frames,
    logged,
    until: (met: () => boolean) =>
      until(met, { deadline: 8_000, show: () => ({ ...camera.summary, frames: frames.length }) }),
  }
}

test('a failed source is replaced by a placeholder with text, and recovers', async (t) => {
  let lives = 0
  const { camera, frames, logged, until } = openCamera(t, (options) => {
    lives++
    const failing = () => {
      throw new UnavailableError('cable pulled')
    }
    return capturing(lives === 1 ? 3 : 1000, failing)(options)
  })
  await until(() => camera.summary.camera_ok)
  await until(() => camera.summary.camera_error === 'cable pulled')
  const before = frames.length
  await until(() => frames.length > before)
  const placeholder = frames.at(-1)
  assert.equal(placeholder?.live, false)
  assert.ok(placeholder.brightest > 200, 'white letters on it')
  await until(() => camera.summary.camera_ok)
  assert.equal(frames.at(-1)?.live, true)
  const messages = logged.map(({ msg }) => msg)
  assert.deepEqual(messages, ['camera works', 'camera lost, retrying', 'camera works'])
})

test('a silent source is ended and reopened', async (t) => {
  const { camera, until } = openCamera(t, async (options) => {
    await capturing(2, () => {})(options)
    await sleep(60_000, undefined, { signal: options.signal }).catch(() => {})
  })
  await until(() => camera.summary.camera_ok)
  await until(() => camera.summary.camera_error === 'no frame for 2 s')
  await until(() => camera.summary.camera_ok)
})

/** Resolves with the ms that it took to come to this life of a source; each gives a picture and has lasted for so long. */
async function timeToLife(t: TestContext, count: number, lasting: number): Promise<number> {
  const now = performance.now.bind(performance)
  let passed = 0
  fakeNow(t, () => now() + passed)
  t.mock.method(Math, 'random', () => 0.99)
  const come = Promise.withResolvers<void>()
  const start = now()
  let lives = 0
  openCamera(t, (options) => {
    if (++lives === count) come.resolve()
    const end = () => {
      passed += lasting
    }
    return capturing(1, end)(options)
  })
  await come.promise
  return now() - start
}

test('a source that repeatedly ends within seconds is reopened with growing waits', async (t) => {
  const time = await timeToLife(t, 4, 0)
  assert.ok(time > 3_000, `${time} ms for waits of 0.5, 1 and 2 s`)
})

test('a source that ends after a long capture is reopened at once', { timeout: 20_000 }, async (t) => {
  const time = await timeToLife(t, 6, 60_000)
  assert.ok(time < 10_000, `${time} ms for five waits of half a second; growing ones are 15 s`)
})

test('capture times never go back', async (t) => {
  let lives = 0
  const { frames, until } = openCamera(
    t,
    capturing(2, () => void lives++),
  )
  await until(() => lives >= 2)
  const times = frames.map(({ at }) => at)
  assert.deepEqual(
    times,
    times.toSorted((a, b) => a - b),
  )
})

test('the failure of a source set at run time is reported at once (E04)', async (t) => {
  let lives = 0
  const { camera, edges, until } = openCamera(t, {
    synthetic: capturing(1000, () => {}),
    v4l2: async (options) => {
      // it does not come back: each further try waits in vain
      if (++lives > 1)
        return await new Promise((done) => options.signal.addEventListener('abort', () => done()))
      await capturing(10, () => {
        throw new UnavailableError('cable pulled')
      })(options)
    },
  })
  await until(() => camera.summary.camera_ok)
  await camera.reconfigure({ ...camera.settings, source: { type: 'v4l2', device: '/dev/video0' } })
  await until(() => camera.summary.camera_error === 'cable pulled')
  assert.deepEqual(edges.at(-1), [false, 'cable pulled'])
})

test('passwords in the error of a source are neither published nor logged', async (t) => {
  const { camera, frames, logged, until } = openCamera(t, () => {
    throw new UnavailableError('rtsp://someone:se/c@ret@10.0.0.9/live: refused')
  })
  await until(() => frames.length > 0 && camera.summary.camera_error !== 'starting')
  assert.equal(camera.summary.camera_error, 'rtsp://10.0.0.9/live: refused')
  assert.doesNotMatch(JSON.stringify(logged), /c@ret/)
})

test('a source whose read hangs gets its placeholder, and is reopened only when it has ended', async (t) => {
  const letGo = Promise.withResolvers<void>()
  t.after(() => letGo.resolve())
  let lives = 0
  const { camera, until } = openCamera(t, (options) => {
    lives++
    return capturing(lives === 1 ? 3 : 1000, () => (lives === 1 ? letGo.promise : undefined))(options)
  })
  await until(() => camera.summary.camera_ok)
  await until(() => camera.summary.camera_error === 'no frame for 2 s')
  await staysTrue(() => lives === 1, 1_500)
  letGo.resolve()
  await until(() => camera.summary.camera_ok)
  assert.equal(lives, 2)
})
