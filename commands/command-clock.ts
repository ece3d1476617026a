import { existsSync } from 'node:fs'

/** No robot of this software is older; a Pi without a clock battery starts in the past. */
export const EARLIEST_TIME = Date.UTC(2026, 0, 1)
/** systemd-timesyncd makes the folder when it starts and the file when the clock is right (systemd-timesyncd.service(8)). */
const TIMESYNC = '/run/systemd/timesync'

export interface Age {
  ms: number
  /** Measured by the relay's clock. */
  byRelay: boolean
  /** Bound of the measurement error, in ms. */
  error?: number
}

/** Measures the age of commands. */
export interface CommandClock {
  /** Age of a command that was issued at this time (ms since the epoch); undefined while the time is unknown. */
  age(issuedAt: number): Age | undefined
}

/** This machine's wall clock, ms since the epoch, and whether it is set. */
export function wallClock(): { now: number; synchronized: boolean } {
  const now = Date.now()
  return {
    now,
    synchronized: now >= EARLIEST_TIME && (!existsSync(TIMESYNC) || existsSync(`${TIMESYNC}/synchronized`)),
  }
}

/** Ages by this machine's clock, while that is set. */
export const localClock: CommandClock = {
  age(issuedAt) {
    const { now, synchronized } = wallClock()
    return synchronized ? { ms: now - issuedAt, byRelay: false } : undefined
  },
}
