import { everyShared } from '#lib/process/shared-interval.ts'

/** Timeouts and intervals of a session in ms (docs/relay-protocol.md). */
export interface Timings {
  /** When to repeat the offer while nothing has arrived: an app drops an offer that precedes its peer connection. */
  resend: readonly number[]
  /** Offer to answer. */
  answer: number
  /** Longest time that the answer waits for our own candidates to be complete. */
  hold: number
  /** Longest time that the answer to a viewer's offer waits for our candidates: none can follow it. */
  gather: number
  /** Answer to connection. */
  connect: number
  /** Time without a packet after which the viewer counts as disconnected. */
  silence: number
  /** Time in which a disconnected viewer may come back. */
  grace: number
  /** Interval of checks for changed local addresses. */
  network: number
  /** Interval of memory checks. */
  memory: number
  /** Interval of a connected session's own checks. */
  watch: number
  /** Interval of sender reports. */
  senderReport: number
  /** Interval of `webrtc/sessions`. */
  report: number
  /** Interval of `video_quality` messages. */
  quality: number
}

export const TIMINGS: Timings = {
  resend: [2_500, 5_000],
  answer: 10_000,
  hold: 200,
  gather: 1_000,
  connect: 20_000,
  silence: 3_000,
  grace: 6_000,
  network: 2_000,
  memory: 2_000,
  watch: 500,
  senderReport: 1_000,
  report: 2_500,
  quality: 2_500,
}

/** Named timers that are cleared together. */
export interface Deadlines extends Disposable {
  /** Starts or restarts the timer of this name. */
  set(name: string, after: number, expired: () => void): void
  /** Calls `tick` together with those of other sessions, see {@link everyShared}. */
  every(name: string, interval: number, tick: () => void): void
  clear(name: string): void
}

export function createDeadlines(): Deadlines {
  const timers = new Map<string, Disposable>()
  const clear = (name: string) => {
    timers.get(name)?.[Symbol.dispose]()
    timers.delete(name)
  }
  return {
    clear,
    set(name, after, expired) {
      clear(name)
      timers.set(name, setTimeout(expired, after))
    },
    every(name, interval, tick) {
      clear(name)
      timers.set(name, everyShared(interval, tick))
    },
    [Symbol.dispose]() {
      for (const name of timers.keys()) clear(name)
    },
  }
}
