import type { BusLog } from './client.ts'

/** One warning per key in this time: a flood of invalid messages must not become a flood of log lines. */
const WARNING_INTERVAL_MS = 10_000
const MAX_KEYS = 100

/** Logs a warning unless one with the same key was logged within the interval. */
export type Warn = (key: string, fields: object, message: string) => void

export function createWarnings(log: BusLog): Warn {
  const warned = new Map<string, number>()
  return (key, fields, message) => {
    const now = performance.now()
    if (now - (warned.get(key) ?? -WARNING_INTERVAL_MS) < WARNING_INTERVAL_MS) return
    if (warned.size >= MAX_KEYS) warned.clear()
    warned.set(key, now)
    log.warn(fields, message)
  }
}
