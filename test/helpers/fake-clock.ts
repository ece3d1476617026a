import type { TestContext } from 'node:test'
import { closeAfter } from './close-after.ts'

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
  fakeNow(t, () => now)
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

/** Replaces `performance.now()`; undone after the test. A mock would keep each call with its stack, and takes most of the CPU time. */
export function fakeNow(t: TestContext, now: () => number): void {
  const own = Object.getOwnPropertyDescriptor(performance, 'now')
  Object.defineProperty(performance, 'now', { value: now, configurable: true, writable: true })
  closeAfter(t, () => {
    if (own) Object.defineProperty(performance, 'now', own)
    else Reflect.deleteProperty(performance, 'now')
  })
}
