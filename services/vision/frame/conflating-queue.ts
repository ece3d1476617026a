/** A queue of length one: a new item replaces the waiting one. */
export interface ConflatingQueue<T> extends AsyncDisposable {
  /** Takes ownership of the item; it is processed, or replaced by a newer one first. */
  offer(item: T): void
  /** Resolves when the item in process is done; at once when there is none. */
  settled(): Promise<void>
}

/**
 * One item in process, at most one waiting; `dropped` is called for each item that a newer one replaces. Every item is
 * disposed of. `work` must not reject. Disposal waits for the item in process.
 */
export function createConflatingQueue<T extends Disposable>(
  work: (item: T) => Promise<void>,
  dropped: () => void,
): ConflatingQueue<T> {
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
