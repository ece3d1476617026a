import type { Outcome, Probe } from './sent-packets.ts'

/** Fewer packets of a probe than these say nothing. */
const LEAST_PACKETS = 5
/** A token bucket lets the first packets of a burst through at once: they are not counted. */
const SKIPPED = 1 / 3

/** Collects what the viewer says of a probe. Only the newest one counts. */
export class ProbeResults {
  #probe: Probe | undefined
  #outcomes: Outcome[] = []

  /** bit/s that the way has carried, once every packet of a probe is accounted for. */
  add(outcome: Outcome): number | undefined {
    const { probe } = outcome
    if (!probe) return undefined
    if (probe !== this.#probe) this.#outcomes = []
    this.#probe = probe
    this.#outcomes.push(outcome)
    if (this.#outcomes.length < probe.packets) return undefined
    return rateOf(this.#outcomes.splice(0))
  }
}

/** The rate at which the later packets of a probe came in, at most that at which they were sent. */
function rateOf(outcomes: readonly Outcome[]): number | undefined {
  const received = outcomes.flatMap(({ sentAt, receivedAt, size }) =>
    receivedAt === undefined ? [] : [{ sentAt, receivedAt, size }],
  )
  if (received.length < LEAST_PACKETS) return undefined
  const counted = received.slice(Math.floor(received.length * SKIPPED))
  // the first packet marks the beginning: its bytes are not part of what came since
  const bits = counted.slice(1).reduce((sum, { size }) => sum + size * 8, 0)
  const span = Math.max(
    spanOf(counted.map(({ sentAt }) => sentAt)),
    spanOf(counted.map(({ receivedAt }) => receivedAt)),
  )
  return span > 0 ? (bits * 1_000) / span : undefined
}

function spanOf(times: readonly number[]): number {
  return Math.max(...times) - Math.min(...times)
}
