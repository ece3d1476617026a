const WINDOW_MS = 5_000
/** Shortest divisor, so that the first events do not give an absurd rate. */
const MIN_WINDOW_MS = 1_000
const MAX_EVENTS = 1_000

/** Events and bytes per second over the last five seconds. */
export interface RateMeter {
  count(bytes?: number): void
  /** Per second. */
  read(): { rate: number; bytes: number }
}

export function createRateMeter(): RateMeter {
  let events: { at: number; bytes: number }[] = []
  let since = 0
  const trim = (now: number) => {
    events = events.filter(({ at }) => now - at < WINDOW_MS).slice(-MAX_EVENTS)
  }
  return {
    count(bytes = 0) {
      const now = performance.now()
      if (events.length > MAX_EVENTS || now - (events.at(-1)?.at ?? now) > WINDOW_MS) trim(now)
      if (events.length === 0) since = now
      events.push({ at: now, bytes })
    },
    read() {
      const now = performance.now()
      trim(now)
      const seconds = Math.min(WINDOW_MS, Math.max(MIN_WINDOW_MS, now - since)) / 1000
      const bytes = events.reduce((sum, event) => sum + event.bytes, 0)
      return { rate: events.length / seconds, bytes: bytes / seconds }
    },
  }
}
