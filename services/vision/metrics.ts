import type { Layer, VideoCodec } from '#bus/messages.ts'
import { addCauseCounter } from '#lib/metrics/cause-counter.ts'
import type { EventCounter } from '#lib/metrics/event-counter.ts'
import { createLatencyHistograms } from '#lib/metrics/latency-histogram.ts'
import { Counter, Histogram, Registry } from '#lib/metrics/prometheus.ts'

const BUCKETS_SECONDS = [0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512]

/** A published access unit. `age`: ms since capture; `encoding`: ms of that in the encoder. */
export interface Encoded {
  layer: Layer
  codec: VideoCodec
  age: number
  encoding: number
}

/** Prometheus metrics of vision. */
export type VisionMetrics = ReturnType<typeof createMetrics>

export function createMetrics(drops: Pick<EventCounter, 'totals'>, registry = new Registry()) {
  const registers = [registry]
  const stages = createLatencyHistograms(registry, ['capture', 'detect', 'encode'])
  const captured = new Counter({ name: 'wimz_frames_captured_total', help: 'Frames captured', registers })
  const encoded = new Counter({
    name: 'wimz_frames_encoded_total',
    help: 'Frames encoded and published',
    labelNames: ['layer', 'codec'],
    registers,
  })
  const encoding = new Histogram({
    name: 'wimz_encode_seconds',
    help: 'Time in the encoder',
    labelNames: ['layer', 'codec'],
    buckets: BUCKETS_SECONDS,
    registers,
  })
  const inference = new Histogram({
    name: 'wimz_inference_seconds',
    help: 'Time of the inference',
    buckets: BUCKETS_SECONDS,
    registers,
  })
  addCauseCounter({
    name: 'wimz_frames_dropped_total',
    help: 'Frames dropped, by cause',
    registers,
    totals: drops.totals,
  })
  return {
    /** Age of frames after each stage, for `vision/state`. */
    stages,
    /** A camera frame is ready, `age` ms after its capture. */
    captured(age: number) {
      captured.inc()
      stages.passed('capture', age)
    },
    detected({ age, inferenceMs }: { age: number; inferenceMs: number }) {
      inference.observe(inferenceMs / 1000)
      stages.passed('detect', age)
    },
    encoded({ layer, codec, age, encoding: took }: Encoded) {
      encoded.inc({ layer, codec })
      encoding.observe({ layer, codec }, took / 1000)
      stages.passed('encode', age)
    },
  }
}
