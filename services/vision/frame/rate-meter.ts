/** Averages over this time, in milliseconds. */
const WINDOW = 5_000
/** What began just now is averaged over this, at least. */
const LEAST = 1_000
/** More events than this are not kept. */
const MOST = 1_000

/** How often something happens, and how many bytes it carries, over the last five seconds. */
export interface Meter {
  count(bytes?: number): void
  /** Per second. */
  read(): { rate: number; bytes: number }
}

export function createMeter(): Meter {
  let events: { at: number; bytes: number }[] = []
  let since = 0
  const trim = (now: number) => {
    events = events.filter(({ at }) => now - at < WINDOW).slice(-MOST)
  }
  return {
    count(bytes = 0) {
      const now = performance.now()
      if (events.length > MOST || now - (events.at(-1)?.at ?? now) > WINDOW) trim(now)
      if (events.length === 0) since = now
      events.push({ at: now, bytes })
    },
    read() {
      const now = performance.now()
      trim(now)
      const seconds = Math.min(WINDOW, Math.max(LEAST, now - since)) / 1000
      const bytes = events.reduce((sum, event) => sum + event.bytes, 0)
      return { rate: events.length / seconds, bytes: bytes / seconds }
    },
  }
}
