import assert from 'node:assert/strict'
import { test } from 'node:test'
import { topics } from '#bus/topics.ts'
import { until } from '#dev/harness/until.ts'
import { VideoDemand } from '#services/webrtc/video/video-demand.ts'
import { memoryBus } from '#test/helpers/memory-bus.ts'

const sink = { frame() {}, interrupted() {} }

test('a layer that the recorder demands is encoded at no less, while the recorder is online', async (t) => {
  const memory = await memoryBus(t)
  const demand = new VideoDemand(await memory.connect('webrtc'), memory.log)
  memory.use(await demand.follow())
  const request = { layer: 'high' as const, codec: 'h264' as const, bitrate: 300_000, sink }
  demand.add(request)
  assert.deepEqual(demand.others(request), {})
  const recorder = await memory.connect('recorder')
  const wanted = { codec: 'h264' as const, layers: { high: { bitrate: 1_500_000 } } }
  await recorder.publish(topics.demand, wanted, { who: 'recorder' })
  await until(() => demand.others(request).high === 1_500_000, { show: () => demand.others(request) })
  assert.deepEqual(demand.others({ ...request, codec: 'vp8' }), {})
  await recorder[Symbol.asyncDispose]()
  await until(() => demand.others(request).high === undefined)
})
