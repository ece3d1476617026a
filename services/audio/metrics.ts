import { addCauseCounter } from '#lib/metrics/cause-counter.ts'
import type { EventCounter } from '#lib/metrics/event-counter.ts'
import { Counter, Gauge, Histogram, Registry } from '#lib/metrics/prometheus.ts'
import type { Voice } from './talk/voice.ts'

const BUCKETS_SECONDS = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25]

export function createMetrics(drops: Pick<EventCounter, 'totals'>, registry = new Registry()) {
  addCauseCounter({
    name: 'wimz_audio_dropped_total',
    help: 'Sound dropped (ms), by cause',
    registers: [registry],
    totals: drops.totals,
  })
  return {
    /** Of the microphone. */
    createCapture: () => createCaptureMetrics(registry),
    /** Of the speaker. */
    observeVoice: (voice: Pick<Voice, 'counts' | 'delay'>) => observeVoice(voice, registry),
  }
}

/** Metrics of the microphone. */
export type CaptureMetrics = ReturnType<typeof createCaptureMetrics>

function createCaptureMetrics(registry: Registry) {
  const registers = [registry]
  const packets = new Counter({ name: 'wimz_audio_packets_total', help: 'Opus packets published', registers })
  const bytes = new Counter({ name: 'wimz_audio_bytes_total', help: 'Bytes of Opus published', registers })
  const encoding = new Histogram({
    name: 'wimz_audio_encode_seconds',
    help: 'Time for gain, level and encoder of a packet',
    buckets: BUCKETS_SECONDS,
    registers,
  })
  const ages = new Histogram({
    name: 'wimz_audio_age_seconds',
    help: 'Age of the first sample of a packet when it is published; 20 ms are the packet itself',
    buckets: BUCKETS_SECONDS,
    registers,
  })
  return {
    /** A packet is published. Times in ms. */
    encoded(packet: { bytes: number; encoding: number; age: number }) {
      packets.inc()
      bytes.inc(packet.bytes)
      encoding.observe(packet.encoding / 1_000)
      ages.observe(packet.age / 1_000)
    },
  }
}

function observeVoice(voice: Pick<Voice, 'counts' | 'delay'>, registry: Registry): void {
  const registers = [registry]
  addCauseCounter({
    name: 'wimz_talk_repaired_total',
    help: 'Voice of viewers (ms) that was concealed, left out to reduce the delay, or received too late',
    registers,
    totals: voice.counts,
  })
  new Gauge({
    name: 'wimz_talk_delay_seconds',
    help: 'How long packets of the viewer who talks wait in the jitter buffer',
    registers,
    collect() {
      this.reset()
      if (voice.delay !== undefined) this.set(voice.delay / 1_000)
    },
  })
}
