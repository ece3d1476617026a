import type { PacketOutcome, Probe } from './sent-packets.ts'

/** The packet that a probe repeats. */
export interface Padding {
  /** Approximate size in bytes. */
  size: number
  /** Sends one copy; returns the bytes on the wire, 0 when nothing may be sent. */
  send(probe: Probe): number
}

const PROBE_MS = 80
const MIN_PROBE_PACKETS = 8
const MAX_PROBE_PACKETS = 60
const TICK_MS = 5

/** Sends padding at `rate` (bit/s) for 80 ms; disposing ends it early. */
export function sendProbe(rate: number, padding: Padding): Disposable {
  const bytes = (rate * PROBE_MS) / 8_000
  const packets = Math.ceil(bytes / padding.size)
  const probe: Probe = { packets: Math.min(MAX_PROBE_PACKETS, Math.max(MIN_PROBE_PACKETS, packets)) }
  const start = performance.now()
  let sentPackets = 0
  let sentBytes = 0
  let timer: NodeJS.Timeout | undefined
  const tick = () => {
    const due = ((performance.now() - start + TICK_MS) * rate) / 8_000
    while (sentBytes < due && sentPackets < probe.packets) {
      const size = padding.send(probe)
      if (size === 0) return // the session is closed
      sentBytes += size
      sentPackets++
    }
    if (sentPackets < probe.packets) timer = setTimeout(tick, TICK_MS)
  }
  tick()
  return { [Symbol.dispose]: () => clearTimeout(timer) }
}

/** A probe of which fewer packets arrived gives no result. */
const MIN_RECEIVED = 5
/** A token bucket passes the first packets of a burst at once, so they are left out of the result. */
const SKIPPED_SHARE = 1 / 3

/** Collects the outcomes of the newest probe. */
export class ProbeResults {
  #probe: Probe | undefined
  #outcomes: PacketOutcome[] = []

  /** The bit/s that the path carried, once every packet of the probe is reported. */
  add(outcome: PacketOutcome): number | undefined {
    const { probe } = outcome
    if (!probe) return undefined
    if (probe !== this.#probe) this.#outcomes = []
    this.#probe = probe
    this.#outcomes.push(outcome)
    if (this.#outcomes.length < probe.packets) return undefined
    return receivedRate(this.#outcomes.splice(0))
  }
}

/** Receive rate of the later packets of a probe, capped by their send rate. */
function receivedRate(outcomes: readonly PacketOutcome[]): number | undefined {
  const received = outcomes.flatMap(({ sentAt, receivedAt, size }) =>
    receivedAt === undefined ? [] : [{ sentAt, receivedAt, size }],
  )
  if (received.length < MIN_RECEIVED) return undefined
  const counted = received.slice(Math.floor(received.length * SKIPPED_SHARE))
  // the first packet marks the start of the interval: its bytes came before it
  const bits = counted.slice(1).reduce((sum, { size }) => sum + size * 8, 0)
  const interval = Math.max(
    spread(counted.map(({ sentAt }) => sentAt)),
    spread(counted.map(({ receivedAt }) => receivedAt)),
  )
  return interval > 0 ? (bits * 1_000) / interval : undefined
}

function spread(times: readonly number[]): number {
  return Math.max(...times) - Math.min(...times)
}
