import { totalmem } from 'node:os'

/** Below this share of available memory the machine starts to stall. */
const LOW_SHARE = 0.04
/** Consecutive checks that must find low memory: a short peak of another process does not count. */
const CHECKS = 3

/** Bytes available and in total; of the container, where there is one. */
export interface Memory {
  available: number
  total: number
}

/**
 * Calls `onLow` when memory has been low three times in a row, and again after three more while it lasts. The threshold is
 * low on purpose: the previous robot closed every session at 95 % (docs/field-failures.md).
 */
export function watchMemory(
  onLow: (memory: Memory) => void,
  intervalMs: number,
  read: () => Memory = readMemory,
): Disposable {
  let lowChecks = 0
  const check = () => {
    const memory = read()
    lowChecks = memory.available < memory.total * LOW_SHARE ? lowChecks + 1 : 0
    if (lowChecks < CHECKS) return
    lowChecks = 0
    onLow(memory)
  }
  const timer = setInterval(check, intervalMs)
  timer.unref()
  return { [Symbol.dispose]: () => clearInterval(timer) }
}

function readMemory(): Memory {
  const limit = process.constrainedMemory()
  // without a limit it returns 0, or more than the total
  const total = limit > 0 && limit < totalmem() ? limit : totalmem()
  return { available: process.availableMemory(), total }
}
