import type { SessionSummary } from '#bus/messages.ts'
import { addCauseCounter } from '#lib/metrics/cause-counter.ts'
import type { EventCounter } from '#lib/metrics/event-counter.ts'
import { createLatencyHistograms } from '#lib/metrics/latency-histogram.ts'
import { Counter, Gauge, Histogram, type Registry } from '#lib/metrics/prometheus.ts'

/** Session duration in seconds. */
const BUCKETS = [1, 5, 15, 60, 300, 900, 3_600, 14_400]

interface ClosedSession {
  reason: string
  by: 'viewer' | 'robot'
  /** Duration since its request. */
  ms: number
}

/** Metrics of webrtc. */
export type WebrtcMetrics = ReturnType<typeof createMetrics>

export function createMetrics(
  registry: Registry,
  { discarded }: { discarded: Pick<EventCounter, 'totals'> },
) {
  const registers = [registry]
  const frameAge = createLatencyHistograms(registry, ['bus', 'wire'])
  const closed = new Counter({
    name: 'wimz_sessions_closed_total',
    help: 'Sessions that ended, by reason and side',
    labelNames: ['reason', 'by'],
    registers,
  })
  const seconds = new Histogram({
    name: 'wimz_session_seconds',
    help: 'Duration of sessions',
    buckets: BUCKETS,
    registers,
  })
  const keyframes = new Counter({
    name: 'wimz_pli_total',
    help: 'Keyframe requests of viewers (PLI or FIR)',
    registers,
  })
  const bytes = new Counter({
    name: 'wimz_video_bytes_total',
    help: 'Video sent, without headers and retransmissions',
    registers,
  })
  addCauseCounter({
    name: 'wimz_discarded_total',
    help: 'Discarded frames and messages, by cause',
    registers,
    totals: discarded.totals,
  })
  return {
    /** Age of frames when they arrive from the bus, and when their last packet is sent. */
    frameAge,
    /** Adds the gauges of the sessions; `sessions` is called for each scrape. */
    observeSessions: (sessions: () => readonly SessionSummary[]) => addSessionGauges(registry, sessions),
    keyframeRequested: () => keyframes.inc(),
    /** A frame is sent; `capturedAt` in ms since the epoch. */
    frameSent(size: number, capturedAt: number) {
      bytes.inc(size)
      frameAge.passed('wire', Date.now() - capturedAt)
    },
    sessionClosed({ reason, by, ms }: ClosedSession) {
      closed.inc({ reason, by })
      seconds.observe(ms / 1000)
    },
  }
}

/** One value for each current session; there are at most 16. */
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
  each('wimz_session_loss', 'Fraction of a viewer’s packets lost, 0..1', ({ loss }) => loss)
  new Gauge({
    name: 'wimz_viewers',
    help: 'Connected viewers',
    registers: [registry],
    collect() {
      this.set(sessions().filter(({ state }) => state === 'connected').length)
    },
  })
}
