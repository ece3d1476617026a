import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { encodeAccessUnit } from '#bus/access-unit.ts'
import { topics } from '#bus/topics.ts'
import { createLogger } from '#lib/logger.ts'
import { createEventCounter } from '#lib/metrics/event-counter.ts'
import { KeyframeRequests, LayerFeed, type PacketizedFrame } from '#services/webrtc/video/layer-feed.ts'
import { openVideoLayers } from '#services/webrtc/video/video-layers.ts'
import { fakeBus } from '#test/helpers/fake-bus.ts'
import { fakeClock } from '#test/helpers/fake-clock.ts'

const IDR = Buffer.from([0, 0, 0, 1, 0x65, 9, 9])
const DELTA = Buffer.from([0, 0, 0, 1, 0x41, 7, 7])

function openDeps(t: TestContext) {
  const clock = fakeClock(t)
  const bus = fakeBus()
  const log = createLogger('test', { write() {} })
  const discarded = createEventCounter(log, 'discarded')
  t.after(() => discarded[Symbol.dispose]())
  const publish = (frame: number, keyframe = false, age = 20) =>
    bus.deliver(
      topics.video,
      encodeAccessUnit({
        ...{ frame, data: keyframe ? IDR : DELTA, rtpTimestamp: (frame * 6_000) >>> 0 },
        capturedAt: BigInt(Math.round((Date.now() - age) * 1_000)),
      }),
      { layer: 'low' },
    )
  return { clock, bus, log, discarded, publish, metrics: { frameAge: { passed() {}, summary: {} as never } } }
}

/** A sink, and what it got: `K` keyframe, `d` other frame, `!` interrupted. */
function openSink() {
  const got: string[] = []
  return {
    got,
    sink: {
      frame: ({ keyframe }: PacketizedFrame) => void got.push(keyframe ? 'K' : 'd'),
      interrupted: () => void got.push('!'),
    },
  }
}

async function openFeed(t: TestContext) {
  const deps = openDeps(t)
  const feed = new LayerFeed({ layer: 'low', codec: 'h264' }, deps)
  const { got, sink } = openSink()
  feed.sinks.add(sink)
  await new Promise((resolve) => setImmediate(resolve))
  await new Promise((resolve) => setImmediate(resolve))
  const requests = () => deps.bus.on(topics.keyframe).length
  return { ...deps, feed, got, requests }
}

test('after a gap nothing is sent before a keyframe, which is requested', async (t) => {
  const { publish, got, requests, discarded } = await openFeed(t)
  publish(1, true)
  publish(2)
  publish(4)
  publish(5)
  assert.deepEqual([got.join(''), requests(), discarded.totals.gap], ['Kd!', 1, 1])
  publish(6, true)
  publish(7)
  assert.equal(got.join(''), 'Kd!Kd')
  publish(0xffff_ffff, true)
  publish(0)
  assert.equal(got.join(''), 'Kd!KdKd', 'the number of a frame has 32 bits')
})

test('frames of more than 500 ms are discarded until the next keyframe', async (t) => {
  const { publish, got, discarded } = await openFeed(t)
  publish(1, true, 0)
  publish(2, false, 500)
  publish(3, false, 501)
  publish(4, true, 600)
  publish(5, true, 100)
  assert.deepEqual([got.join(''), discarded.totals['too old']], ['Kd!K', 2])
})

test('a new viewer gets the frames since a keyframe of the last 500 ms', async (t) => {
  const { clock, publish, feed } = await openFeed(t)
  publish(1, true)
  publish(2)
  clock.advance(500)
  assert.deepEqual(
    feed.recent().map(({ keyframe }) => keyframe),
    [true, false],
  )
  clock.advance(1)
  assert.deepEqual(feed.recent(), [])
  publish(3)
  publish(4, true)
  assert.equal(feed.recent().length, 1)
  publish(6)
  assert.deepEqual(feed.recent(), [], 'they were interrupted')
})

test('a feed without viewers sends nothing, and a closed one subscribes no longer', async (t) => {
  const { publish, feed, got, bus } = await openFeed(t)
  feed.sinks.clear()
  publish(1, true)
  assert.deepEqual([got, feed.recent()], [[], []])
  assert.equal(bus.listeners, 1)
  feed[Symbol.dispose]()
  await new Promise((resolve) => setImmediate(resolve))
  assert.equal(bus.listeners, 0)
})

test('a keyframe is requested at most twice a second, and not once it has arrived', (t) => {
  const clock = fakeClock(t)
  let count = 0
  const requests = new KeyframeRequests(() => count++)
  for (let i = 0; i < 3; i++) requests.request()
  assert.equal(count, 1)
  clock.advance(499)
  assert.equal(count, 1)
  clock.advance(1)
  assert.equal(count, 2)
  requests.request()
  requests.keyframeArrived()
  clock.advance(5_000)
  assert.equal(count, 2)
  requests.request()
  requests.request()
  requests[Symbol.dispose]()
  clock.advance(5_000)
  assert.equal(count, 3)
})

test('what all viewers need is published at each change, and withdrawn at the end', async (t) => {
  const { bus, clock, ...deps } = openDeps(t)
  const layers = await openVideoLayers({ bus, ...deps })
  const withoutViewers = bus.listeners
  const demands = () => bus.on(topics.demand).map((demand) => JSON.stringify(demand))
  assert.deepEqual(demands(), ['{"codec":"h264","layers":{}}'])
  const open = (layer: 'low' | 'high', bitrate: number, codec: 'h264' | 'vp8' = 'h264') =>
    layers.subscribe({ layer, codec, bitrate, sink: openSink().sink })
  const one = open('low', 100)
  const two = open('low', 300)
  assert.deepEqual([one.first, two.first], [true, false])
  assert.equal(demands().at(-1), '{"codec":"h264","layers":{"low":{"bitrate":300}}}')
  const three = open('high', 900, 'vp8')
  assert.equal(
    demands().at(-1),
    '{"codec":"h264","layers":{"low":{"bitrate":300}},"also":{"codec":"vp8","layers":{"high":{"bitrate":900}}}}',
  )
  assert.deepEqual([one.others, two.others, three.others], [{ low: 300 }, { low: 100 }, {}])
  const before = demands().length
  two.setBitrate(299)
  open('low', 50)
  assert.equal(demands().length, before, 'nothing has changed')
  two.setBitrate(200)
  three[Symbol.dispose]()
  three[Symbol.dispose]()
  assert.equal(demands().at(-1), '{"codec":"h264","layers":{"low":{"bitrate":200}}}')
  // the layer that lost its last viewer stays subscribed for 10 s
  await new Promise((resolve) => setImmediate(resolve))
  clock.advance(9_999)
  await new Promise((resolve) => setImmediate(resolve))
  assert.equal(bus.listeners, withoutViewers + 2)
  clock.advance(1)
  await new Promise((resolve) => setImmediate(resolve))
  assert.equal(bus.listeners, withoutViewers + 1)
  await layers[Symbol.asyncDispose]()
  await new Promise((resolve) => setImmediate(resolve))
  assert.deepEqual([demands().at(-1), bus.listeners], ['{"codec":"h264","layers":{}}', 0])
})
