import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { Layer } from '#bus/messages.ts'
import type { PacketizedFrame } from '#services/webrtc/video/layer-feed.ts'
import { LayerSwitch } from '#services/webrtc/video/layer-switch.ts'
import type { RateControl } from '#services/webrtc/video/rate-control.ts'
import type { LayerRequest } from '#services/webrtc/video/video-demand.ts'
import type { LayerSubscription, VideoLayers } from '#services/webrtc/video/video-layers.ts'
import { fakeClock } from '#test/helpers/fake-clock.ts'

const frame = (layer: Layer, keyframe = false, timestamp = 0): PacketizedFrame => ({
  ...{ layer, keyframe, timestamp, payloads: [], capturedAt: 0 },
})

/** A viewer that begins on layer `low`, and everything that happens to its subscriptions. */
function openSwitch(t: TestContext, { recent = [] as PacketizedFrame[], first = false, pause = false } = {}) {
  const clock = fakeClock(t)
  const sent: string[] = []
  const timestamps: number[] = []
  const done: string[] = []
  const layers: Partial<VideoLayers> = {
    subscribe({ layer, bitrate }: LayerRequest): LayerSubscription {
      done.push(`subscribe ${layer}`)
      return {
        ...{ layer, first, bitrate, others: { low: 7 } },
        setBitrate: (wanted) => done.push(`${layer} ${wanted}`),
        requestKeyframe: () => done.push(`keyframe ${layer}`),
        recent: () => recent,
        [Symbol.dispose]: () => done.push(`dispose ${layer}`),
      }
    },
  }
  const rate = { layer: 'low', bitrate: () => 100, mustPause: () => pause }
  const layerSwitch = new LayerSwitch({
    ...{ layers: layers as VideoLayers, codec: 'h264', rate: rate as unknown as RateControl },
    onFrame(one) {
      sent.push(`${one.layer}${one.keyframe ? ' key' : ''}`)
      timestamps.push(one.timestamp)
    },
    onSwitched: () => done.push('switched'),
  })
  const since = () => done.splice(0)
  return { clock, layerSwitch, sent, timestamps, since }
}

test('nothing is sent before the start, which requests a keyframe, and none before that one', (t) => {
  const { layerSwitch, sent, since } = openSwitch(t)
  layerSwitch.frame(frame('low', true))
  assert.deepEqual([sent, since()], [[], ['subscribe low']])
  layerSwitch.start()
  assert.deepEqual(since(), ['keyframe low'])
  for (const key of [false, true, false]) layerSwitch.frame(frame('low', key))
  layerSwitch.frame(frame('high', true))
  assert.deepEqual(sent, ['low key', 'low'])
})

test('recent frames are sent at once, a millisecond apart, the newest with its own time', (t) => {
  const recent = [frame('low', true, 1_000), frame('low', false, 5_000), frame('low', false, 9_000)]
  const { layerSwitch, timestamps, since } = openSwitch(t, { recent })
  layerSwitch.start()
  assert.deepEqual([timestamps, since()], [[8_820, 8_910, 9_000], ['subscribe low']])
})

test('a keyframe that does not come is requested again after a second', (t) => {
  const { clock, layerSwitch, since } = openSwitch(t)
  layerSwitch.start()
  since()
  clock.advance(1_000)
  layerSwitch.frame(frame('low'))
  assert.deepEqual(since(), [])
  clock.advance(1)
  layerSwitch.frame(frame('low'))
  layerSwitch.frame(frame('low'))
  assert.deepEqual(since(), ['keyframe low'])
})

test('another layer is shown from its next keyframe on, and the one before until then', (t) => {
  const { clock, layerSwitch, sent, since } = openSwitch(t)
  layerSwitch.start()
  layerSwitch.frame(frame('low', true))
  since()
  layerSwitch.show('high')
  assert.deepEqual(since(), ['low 100', 'subscribe high', 'keyframe high'])
  layerSwitch.show('high')
  assert.deepEqual(since(), ['low 100', 'high 100'])
  for (const one of [frame('low'), frame('high'), frame('low')]) layerSwitch.frame(one)
  assert.deepEqual([sent, since(), layerSwitch.layer], [['low key', 'low', 'low'], [], 'low'])
  clock.advance(1_001)
  layerSwitch.frame(frame('high'))
  assert.deepEqual(since(), ['keyframe high'])
  layerSwitch.frame(frame('high', true))
  layerSwitch.frame(frame('low'))
  layerSwitch.frame(frame('high'))
  assert.deepEqual(sent, ['low key', 'low', 'low', 'high key', 'high'])
  assert.deepEqual([since(), layerSwitch.layer], [['dispose low', 'switched'], 'high'])
})

test('an encoder that starts for this viewer is not asked for a keyframe', (t) => {
  const { layerSwitch, since } = openSwitch(t, { first: true })
  layerSwitch.start()
  since()
  layerSwitch.show('high')
  assert.deepEqual(since(), ['low 100', 'subscribe high'])
  layerSwitch.show('low')
  assert.deepEqual(since(), ['low 100', 'high 100', 'dispose high'], 'back before the switch')
})

test('a layer that is too large pauses while a smaller one starts', (t) => {
  const { layerSwitch, sent } = openSwitch(t, { pause: true })
  layerSwitch.start()
  layerSwitch.frame(frame('low', true))
  layerSwitch.show('low')
  layerSwitch.frame(frame('low'))
  layerSwitch.show('medium')
  layerSwitch.frame(frame('low'))
  assert.deepEqual(sent, ['low key', 'low'])
})

test('after a loss of its layer, or a dropped frame, a viewer waits for a keyframe', (t) => {
  const { layerSwitch, sent, since } = openSwitch(t)
  layerSwitch.start()
  layerSwitch.frame(frame('low', true))
  layerSwitch.interrupted('high')
  layerSwitch.frame(frame('low'))
  layerSwitch.interrupted('low')
  layerSwitch.frame(frame('low'))
  layerSwitch.frame(frame('low', true))
  since()
  layerSwitch.frameDropped()
  layerSwitch.frame(frame('low'))
  assert.deepEqual([sent, since()], [['low key', 'low', 'low key'], ['keyframe low']])
})

test('at its end both subscriptions end, and nothing is sent', (t) => {
  const { layerSwitch, sent, since } = openSwitch(t)
  layerSwitch.start()
  layerSwitch.show('high')
  since()
  layerSwitch[Symbol.dispose]()
  layerSwitch.frame(frame('low', true))
  assert.deepEqual([sent, since()], [[], ['dispose low', 'dispose high']])
})
