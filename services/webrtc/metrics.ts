import { Counter, Gauge, Histogram, type Registry } from 'prom-client'
import type { SessionSummary } from '#bus/messages.ts'
import type { EventCounter } from '#lib/metrics/event-counter.ts'
import { createLatencyHistograms } from '#lib/metrics/latency-histogram.ts'

/** Seconds that a session lives. */
const BUCKETS = [1, 5, 15, 60, 300, 900, 3_600, 14_400]

/** A session that is over. */
interface Ended {
  reason: string
  by: 'viewer' | 'robot'
  /** Milliseconds from its request. */
  lived: number
}

/** The figures of `webrtc`. */
export type WebrtcMetrics = ReturnType<typeof createMetrics>

/** `sessions` is asked whenever somebody wants the figures. */
export function createMetrics(
  registry: Registry,
  { tally, sessions }: { tally: Pick<EventCounter, 'totals'>; sessions(): readonly SessionSummary[] },
) {
  const registers = [registry]
  const stages = createLatencyHistograms(registry, ['bus', 'wire'])
  addSessionGauges(registry, sessions)
  const closed = new Counter({
    name: 'wimz_sessions_closed_total',
    help: 'Sessions that ended, by reason and side',
    labelNames: ['reason', 'by'],
    registers,
  })
  const seconds = new Histogram({
    name: 'wimz_session_seconds',
    help: 'How long sessions lived',
    buckets: BUCKETS,
    registers,
  })
  const keyframes = new Counter({
    name: 'wimz_pli_total',
    help: 'Keyframes that viewers asked for (PLI or FIR)',
    registers,
  })
  const bytes = new Counter({
    name: 'wimz_video_bytes_total',
    help: 'Video sent, without headers and repetitions',
    registers,
  })
  new Counter({
    name: 'wimz_discarded_total',
    help: 'What was discarded on the way to viewers, by cause',
    labelNames: ['cause'],
    registers,
    collect() {
      this.reset()
      for (const [cause, n] of Object.entries(tally.totals)) this.inc({ cause }, n)
    },
  })
  return {
    /** Age of pictures on arrival from the bus, and when their last packet has left. */
    stages,
    keyframeWanted: () => keyframes.inc(),
    /** A picture of so many bytes, captured then (ms since the epoch), has left. */
    sent(size: number, capturedAt: number) {
      bytes.inc(size)
      stages.passed('wire', Date.now() - capturedAt)
    },
    ended({ reason, by, lived }: Ended) {
      closed.inc({ reason, by })
      seconds.observe(lived / 1000)
    },
  }
}

/** One value for each session that lives, so few at a time. */
function addSessionGauges(registry: Registry, sessions: () => readonly SessionSummary[]): void {
  const each = (name: string, help: string, read: (session: SessionSummary) => number | null) =>
    new Gauge({
      name,
      help,
      labelNames: ['session', 'layer'],
      registers: [registry],
      collect() {
        this.reset()
        for (const session of sessions()) {
          const value = session.state === 'connected' ? read(session) : null
          if (value !== null) this.set({ session: session.session_id, layer: session.layer ?? '' }, value)
        }
      },
    })
  each('wimz_session_bitrate', 'Video sent to a viewer, bit/s', ({ bitrate }) => bitrate)
  each('wimz_session_rtt_seconds', 'Round trip to a viewer', ({ rtt_ms }) =>
    rtt_ms === null ? null : rtt_ms / 1000,
  )
  each('wimz_session_loss', 'Share of a viewer’s packets that are lost, 0..1', ({ loss }) => loss)
  new Gauge({
    name: 'wimz_viewers',
    help: 'Viewers that are connected',
    registers: [registry],
    collect() {
      this.set(sessions().filter(({ state }) => state === 'connected').length)
    },
  })
}
