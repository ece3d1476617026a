/** How long a session may take for what (API_CONTRACT 3.4), in milliseconds. */
export interface Timings {
  /** The offer is sent again then, if nothing at all came back: an app drops one that comes before its peer is made. */
  resend: readonly number[]
  /** Offer to answer. */
  answer: number
  /** The answer waits so long, at most, for our own candidates to be complete. */
  hold: number
  /** Answer to connection. */
  connect: number
  /** Nothing heard for this long: the viewer counts as disconnected. */
  silence: number
  /** A disconnected viewer may come back for so long. */
  grace: number
  /** How often the addresses of this machine are looked at. */
  network: number
  /** How often memory is looked at. */
  memory: number
  /** How often a connected session looks at itself. */
  watch: number
  /** How often the list of sessions is published. */
  report: number
  /** How often a viewer is told of its video (API_CONTRACT 3.3). */
  quality: number
}

export const TIMINGS: Timings = {
  resend: [2_500, 5_000],
  answer: 10_000,
  hold: 200,
  connect: 20_000,
  silence: 3_000,
  grace: 6_000,
  network: 2_000,
  memory: 2_000,
  watch: 500,
  report: 2_500,
  quality: 2_500,
}

/** Timers with a name that end together. */
export interface Deadlines extends Disposable {
  /** Starts the timer of this name anew. */
  set(name: string, after: number, expired: () => void): void
  every(name: string, interval: number, tick: () => void): void
  clear(name: string): void
}

export function createDeadlines(): Deadlines {
  const timers = new Map<string, NodeJS.Timeout>()
  const clear = (name: string) => {
    clearTimeout(timers.get(name))
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
      timers.set(name, setInterval(tick, interval))
    },
    [Symbol.dispose]() {
      for (const name of timers.keys()) clear(name)
    },
  }
}
