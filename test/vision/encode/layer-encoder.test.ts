import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { decodeAccessUnit } from '#bus/access-unit.ts'
import type { Bus } from '#bus/bus.ts'
import { createLogger } from '#lib/logger.ts'
import { createEventCounter } from '#lib/metrics/event-counter.ts'
import { Encoder } from '#services/vision/encode/encoder.ts'
import { LayerEncoder } from '#services/vision/encode/layer-encoder.ts'
import { CapturedFrame } from '#services/vision/frame/captured-frame.ts'
import { plainFrame } from '#test/vision/frames.ts'

const SIZE = { width: 320, height: 240 }
const { encode: ENCODE, [Symbol.dispose]: DISPOSE } = Encoder.prototype

/** An encoder of layer `low`, what it published, and how many codecs are open. */
function openLayer(t: TestContext) {
  const log = createLogger('test', { write() {} })
  const drops = createEventCounter(log, 'dropped')
  t.after(() => drops[Symbol.dispose]())
  const open = new Set<Encoder>()
  const published: Buffer[] = []
  const bus = { publish: async (_topic: unknown, unit: Buffer) => void published.push(unit) }
  t.mock.method(Encoder.prototype, Symbol.dispose, function (this: Encoder) {
    open.delete(this)
    DISPOSE.call(this)
  })
  t.mock.method(Encoder.prototype, 'encode', trackOpen(open))
  const layer = new LayerEncoder(
    {
      ...{ layer: 'low' as const, codec: 'h264' as const, log, drops },
      bus: bus as unknown as Bus,
      overlay: { enabled: true, paint() {} },
      onPublished() {},
      onDropped() {},
    },
    { box: { width: 640, height: 360 }, fps: 15 },
  )
  let index = 0
  const offer = async (size = SIZE) => {
    const captured = new CapturedFrame(
      { pixels: plainFrame(size, [90, 90, 90]) },
      { at: performance.now(), index: ++index, live: true },
    )
    layer.offer(captured)
    await layer.settled()
    captured[Symbol.dispose]()
  }
  return { layer, open, published, offer }
}

/** `encode`, which notes whose it is. */
function trackOpen(open: Set<Encoder>): Encoder['encode'] {
  return function (this: Encoder, ...args) {
    open.add(this)
    return ENCODE.apply(this, args)
  }
}

test('its encoder is open while there is demand, and closed with it', async (t) => {
  const { layer, open, published, offer } = openLayer(t)
  await offer()
  assert.deepEqual([open.size, published.length], [0, 0])
  layer.bitrate = 400_000
  await offer()
  await offer()
  assert.deepEqual([open.size, published.length], [1, 2])
  assert.deepEqual(
    published.map((unit) => decodeAccessUnit(unit).frame),
    [1, 2],
  )
  layer.bitrate = undefined
  await offer()
  assert.deepEqual([open.size, published.length], [0, 2])
  await layer[Symbol.asyncDispose]()
})

test('another size or rate takes the place of the old encoder, which is closed', async (t) => {
  const { layer, open, published, offer } = openLayer(t)
  layer.bitrate = 400_000
  await offer()
  await offer({ width: 160, height: 120 })
  assert.equal(open.size, 1)
  layer.fps = 10
  await offer({ width: 160, height: 120 })
  assert.equal(open.size, 1)
  assert.deepEqual(
    published.map((unit) => decodeAccessUnit(unit).keyframe),
    [true, true, true],
  )
  await layer[Symbol.asyncDispose]()
})

test('it is closed with its layer', async (t) => {
  const { layer, open, offer } = openLayer(t)
  layer.bitrate = 400_000
  await offer()
  assert.equal(open.size, 1)
  await layer[Symbol.asyncDispose]()
  assert.equal(open.size, 0)
})
