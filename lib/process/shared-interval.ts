/** The callbacks of each interval in ms, called one after the other by one timer. */
const intervals = new Map<number, { timer: NodeJS.Timeout; ticks: Set<() => void> }>()

/**
 * Calls `tick` every `ms` together with all others of that interval, the first time within `ms`: code that runs for one viewer
 * after the other costs half of what it costs when the process wakes up for each. Disposing ends it.
 */
export function everyShared(ms: number, tick: () => void): Disposable {
  const shared = intervals.get(ms) ?? startShared(ms)
  // a callback of its own, so that the same function may be given twice
  const own = () => tick()
  shared.ticks.add(own)
  return {
    [Symbol.dispose]() {
      shared.ticks.delete(own)
      if (shared.ticks.size > 0 || intervals.get(ms) !== shared) return
      clearInterval(shared.timer)
      intervals.delete(ms)
    },
  }
}

function startShared(ms: number) {
  const ticks = new Set<() => void>()
  const shared = { ticks, timer: setInterval(() => runAll(ticks), ms) }
  intervals.set(ms, shared)
  return shared
}

/** One that throws does not keep the others from their turn; it ends as an uncaught exception, as in a timer of its own. */
function runAll(ticks: Set<() => void>): void {
  for (const tick of [...ticks]) {
    if (!ticks.has(tick)) continue // disposed by one before it
    try {
      tick()
    } catch (err) {
      process.nextTick(() => {
        throw err
      })
    }
  }
}
