/** Averages over this time, in milliseconds. */
const WINDOW = 5_000

/** How often something happens, and how many bytes it carries, over the last five seconds. */
export interface Meter {
  count(bytes?: number): void
  /** Per second. */
  read(): { rate: number; bytes: number }
}

export function createMeter(): Meter {
  let events: { at: number; bytes: number }[] = []
  const trim = () => {
    const now = performance.now()
    events = events.filter(({ at }) => now - at < WINDOW)
  }
  return {
    count(bytes = 0) {
      events.push({ at: performance.now(), bytes })
      if (events.length > 1_000) trim()
    },
    read() {
      trim()
      const bytes = events.reduce((sum, event) => sum + event.bytes, 0)
      return { rate: (events.length * 1000) / WINDOW, bytes: (bytes * 1000) / WINDOW }
    },
  }
}
