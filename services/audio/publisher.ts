import type { Bus } from '#bus/bus.ts'
import { encodeOpusPacket } from '#bus/opus-packet.ts'
import { topics } from '#bus/topics.ts'
import { toEpoch } from '#lib/media/wall-clock.ts'
import type { EventCounter } from '#lib/metrics/event-counter.ts'
import { CODEC_DELAY_MS, type OpusEncoder } from './encode/opus-encoder.ts'
import type { Hearing } from './hearing.ts'
import type { CaptureMetrics } from './metrics.ts'
import { BlockCutter } from './sound/block-cutter.ts'
import { LevelMeter } from './sound/level-meter.ts'
import type { Loudness } from './sound/loudness.ts'

interface PublisherOptions {
  bus: Bus
  encoder: OpusEncoder
  loudness: Loudness
  drops: EventCounter
  metrics: CaptureMetrics
  hearing: Pick<Hearing, 'muted'>
  /** Each block as it is sent, valid during the call. */
  onBlock?(block: Int16Array): void
}

/** Samples to `audio/opus` and `audio/level`: blocks of 20 ms, amplified, measured, muted, encoded. */
export class Publisher {
  readonly #options: PublisherOptions
  readonly #cutter: BlockCutter
  readonly #meter: LevelMeter

  constructor(options: PublisherOptions) {
    this.#options = options
    this.#cutter = new BlockCutter({
      onBlock: (block, at) => this.#handle(block, at),
      onDropped: (cause, ms) => options.drops.count(cause, Math.round(ms)),
    })
    this.#meter = new LevelMeter((level) => {
      options.bus.publish(topics.audioLevel, level).catch(() => {}) // logged by the bus
    })
  }

  /** `at`: capture time of the first sample, as `performance.now()`. */
  add(samples: Int16Array, at: number): void {
    this.#cutter.add(samples, at)
  }

  #handle(block: Int16Array, at: number): void {
    const { bus, encoder, loudness, drops, metrics, hearing } = this.#options
    const start = performance.now()
    loudness.apply(block, { muted: hearing.muted !== null })
    this.#meter.add(block)
    this.#options.onBlock?.(block)
    const data = encoder.encode(block)
    if (!data) return
    const capturedAt = BigInt(Math.round((toEpoch(at) - CODEC_DELAY_MS) * 1_000))
    metrics.encoded({ bytes: data.length, encoding: performance.now() - start, age: performance.now() - at })
    bus.publish(topics.opus, encodeOpusPacket({ capturedAt, data })).catch(() => drops.count('bus'))
  }
}
