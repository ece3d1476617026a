import { Counter, Histogram, Registry } from 'prom-client'
import type { Layer, VideoCodec } from '#bus/messages.ts'
import type { EventCounter } from '#lib/metrics/event-counter.ts'
import { createLatencyHistograms } from '#lib/metrics/latency-histogram.ts'

/** Seconds. */
const BUCKETS = [0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512]

/** An access unit that was published: `age` since its capture, `encoding` of that in the encoder, ms. */
export interface Encoded {
  layer: Layer
  codec: VideoCodec
  age: number
  encoding: number
}

/** The figures of `vision`. */
export type VisionMetrics = ReturnType<typeof createMetrics>

export function createMetrics(drops: Pick<EventCounter, 'totals'>, registry = new Registry()) {
  const registers = [registry]
  const stages = createLatencyHistograms(registry, ['capture', 'detect', 'encode'])
  const captured = new Counter({ name: 'wimz_frames_captured_total', help: 'Pictures taken', registers })
  const encoded = new Counter({
    name: 'wimz_frames_encoded_total',
    help: 'Pictures encoded and published',
    labelNames: ['layer', 'codec'],
    registers,
  })
  const encoding = new Histogram({
    name: 'wimz_encode_seconds',
    help: 'Time in the encoder',
    labelNames: ['layer', 'codec'],
    buckets: BUCKETS,
    registers,
  })
  const inference = new Histogram({
    name: 'wimz_inference_seconds',
    help: 'Time in the neural net',
    buckets: BUCKETS,
    registers,
  })
  new Counter({
    name: 'wimz_frames_dropped_total',
    help: 'Pictures left out, by cause',
    labelNames: ['cause'],
    registers,
    collect() {
      this.reset()
      for (const [cause, n] of Object.entries(drops.totals)) this.inc({ cause }, n)
    },
  })
  return {
    /** Age of pictures after each stage, for `vision/state`. */
    stages,
    /** A picture of the camera is ready, `age` ms after it was taken. */
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
