/** `vision/state` is said again at least this long after the last time, unless something matters. Milliseconds. */
const EVERY = 5_000

/** Keeps `vision/state` fresh without saying it at every frame. */
export interface Report extends Disposable {
  /** Something happened that a latecomer must know: say it now. */
  changed(): void
}

export function createReport(say: () => void): Report {
  let scheduled = false
  const timer = setInterval(say, EVERY)
  timer.unref()
  let closed = false
  return {
    changed() {
      if (scheduled || closed) return
      scheduled = true
      // several changes of one moment are said once
      queueMicrotask(() => {
        scheduled = false
        if (!closed) say()
      })
    },
    [Symbol.dispose]() {
      closed = true
      clearInterval(timer)
    },
  }
}
