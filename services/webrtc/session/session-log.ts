import type { Logger } from '#lib/logger.ts'
import { describePair, type SelectedPair } from '../ice/selected-pair.ts'
import type { WebrtcMetrics } from '../metrics.ts'

interface SessionEnd {
  reason: string
  by: 'viewer' | 'robot'
  /** Its last state. */
  from: string
  pair: SelectedPair | undefined
  packets: number
  bytes: number
  err?: unknown
}

/** Logs the steps of one session; field `ms` is the time since its request. */
export class SessionLog {
  readonly #log: Logger
  readonly #metrics: Pick<WebrtcMetrics, 'sessionClosed'>
  readonly #start = performance.now()
  #connectedAt: number | undefined

  constructor(log: Logger, metrics: Pick<WebrtcMetrics, 'sessionClosed'>) {
    this.#log = log
    this.#metrics = metrics
  }

  info(message: string, fields: object = {}): void {
    this.#log.info({ ms: msSince(this.#start), ...fields }, message)
  }

  connected(pair: SelectedPair | undefined): void {
    this.#connectedAt ??= performance.now()
    this.info('session connected', pair ? { candidate_pair: describePair(pair) } : {})
  }

  /** The last line sums up the whole session. */
  closed({ reason, by, pair, err, ...facts }: SessionEnd): void {
    const ms = msSince(this.#start)
    this.#metrics.sessionClosed({ reason, by, ms })
    const fields = { reason, by, ...facts, ms }
    if (this.#connectedAt !== undefined) Object.assign(fields, { connected_ms: msSince(this.#connectedAt) })
    if (pair) Object.assign(fields, { candidate_pair: describePair(pair) })
    if (err) Object.assign(fields, { err })
    this.#log.info(fields, 'session closed')
  }
}

function msSince(moment: number): number {
  return Math.round(performance.now() - moment)
}
