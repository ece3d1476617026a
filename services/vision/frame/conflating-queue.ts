/** Works on the newest item only. */
export interface Latest<T> extends AsyncDisposable {
  /** Takes the item over: it is worked on, or replaced by a newer one before that. */
  offer(item: T): void
  /** Resolves when the item in hand now is done; at once when there is none. */
  settled(): Promise<void>
}

/**
 * One item in work, at most one waiting: a newer one replaces that, and `dropped` is told. Every item is disposed of.
 * `work` must not reject; disposing waits for the work in hand.
 */
export function createLatest<T extends Disposable>(
  work: (item: T) => Promise<void>,
  dropped: () => void,
): Latest<T> {
  let waiting: T | undefined
  let running: Promise<void> | undefined
  let current = Promise.resolve()
  let closed = false

  async function run() {
    while (waiting) {
      using item = waiting
      waiting = undefined
      current = work(item)
      await current
    }
    running = undefined
  }

  return {
    offer(item) {
      if (closed) return item[Symbol.dispose]()
      if (waiting) {
        waiting[Symbol.dispose]()
        dropped()
      }
      waiting = item
      running ??= run()
    },
    settled: () => current,
    async [Symbol.asyncDispose]() {
      closed = true
      waiting?.[Symbol.dispose]()
      waiting = undefined
      await running
    },
  }
}
