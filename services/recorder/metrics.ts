import { addCauseCounter } from '#lib/metrics/cause-counter.ts'
import type { EventCounter } from '#lib/metrics/event-counter.ts'
import { Counter, Gauge, Histogram, Registry } from '#lib/metrics/prometheus.ts'
import type { ClipStore } from './clip.ts'
import type { Recordings } from './recording/recordings.ts'
import type { GopRing } from './ring/gop-ring.ts'

const BUCKETS_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5]

interface Observed {
  lost: Pick<EventCounter, 'totals'>
  ring: GopRing
  store: ClipStore
  recordings: Recordings
}

export function createMetrics({ lost, ring, store, recordings }: Observed, registry = new Registry()): void {
  const registers = [registry]
  addCauseCounter({
    name: 'wimz_recorder_frames_lost_total',
    help: 'Frames that did not arrive, by cause',
    registers,
    totals: lost.totals,
  })
  const clips = new Counter({ name: 'wimz_recorder_clips_total', help: 'Clips recorded', registers })
  const bytes = new Counter({ name: 'wimz_recorder_bytes_total', help: 'Bytes of finished clips', registers })
  store.on('finished', (clip) => {
    clips.inc()
    bytes.inc(clip.bytes)
  })
  const writes = new Histogram({
    name: 'wimz_recorder_write_seconds',
    help: 'Time of one write of a fragment',
    buckets: BUCKETS_SECONDS,
    registers,
  })
  recordings.on('written', (ms) => writes.observe(ms / 1_000))
  const syncs = new Histogram({
    name: 'wimz_recorder_sync_seconds',
    help: 'Time of one flush to the disk',
    buckets: BUCKETS_SECONDS,
    registers,
  })
  recordings.on('synced', (ms) => syncs.observe(ms / 1_000))
  new Gauge({
    name: 'wimz_recorder_buffer_bytes',
    help: 'Video and sound in memory, for the seconds before an event',
    registers,
    collect() {
      this.set(ring.summary.bytes)
    },
  })
  new Gauge({
    name: 'wimz_recorder_stored_bytes',
    help: 'Clips on the disk',
    registers,
    collect() {
      this.set(store.list().reduce((sum, clip) => sum + clip.bytes, 0))
    },
  })
}
