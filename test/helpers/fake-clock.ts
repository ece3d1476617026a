import type { TestContext } from 'node:test'

export interface FakeClock {
  /** Lets time pass, with the timers that become due on the way. */
  advance(ms: number): void
  /** Lets time pass without timers, as when the process stands still. */
  stall(ms: number): void
}

/** Timers, `performance.now()` and `Date` of this process stand still until the test moves them; undone after the test. */
export function fakeClock(t: TestContext): FakeClock {
  let now = 1_000
  t.mock.timers.enable({ apis: ['setTimeout', 'setInterval', 'Date'], now: Date.now() })
  t.mock.method(performance, 'now', () => now)
  return {
    advance(ms) {
      for (const end = now + ms; now < end; ) {
        now = Math.min(end, now + 1)
        t.mock.timers.tick(1)
      }
    },
    stall(ms) {
      now += ms
    },
  }
}
