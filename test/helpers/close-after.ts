import { after, type TestContext } from 'node:test'

/** Longest time that one cleanup may take. */
const CLOSE_DEADLINE_MS = 30_000
/** Time after the last test in which a process has to end by itself. */
const EXIT_DEADLINE_MS = 15_000

type Close = () => unknown

const closes = new WeakMap<TestContext, Close[]>()

/**
 * Registers `close` to run after the test, the last one first, as what was opened later uses what was opened before. Unlike
 * `t.after()`, which skips the rest after a failure and waits without a limit, every `close` runs, each within a deadline.
 */
export function closeAfter(t: TestContext, close: Close): void {
  const registered = closes.get(t)
  if (registered) {
    registered.push(close)
    return
  }
  const all = [close]
  closes.set(t, all)
  t.after(() => closeAll(all))
}

/** Runs them from last to first; throws what failed when all have run. */
export async function closeAll(all: Close[], deadline = CLOSE_DEADLINE_MS): Promise<void> {
  const failures: unknown[] = []
  for (const close of all.splice(0).reverse()) {
    await within(close, deadline).catch((err: unknown) => failures.push(err))
  }
  if (failures.length === 1) throw failures[0]
  if (failures.length > 1) throw new AggregateError(failures, failures.map(String).join('; '))
}

async function within(close: Close, deadline: number): Promise<void> {
  const expired = Promise.withResolvers<never>()
  const fail = () => expired.reject(new Error(`not closed within ${deadline} ms: ${String(close)}`))
  const timer = setTimeout(fail, deadline)
  try {
    await Promise.race([close(), expired.promise])
  } finally {
    clearTimeout(timer)
  }
}

// a socket or a child process that is left would keep the process, and with it the whole run, alive for ever
after(() => {
  const exit = () => {
    const open = process.getActiveResourcesInfo().join(', ')
    process.stderr.write(`open ${EXIT_DEADLINE_MS} ms after the last test: ${open}\n`)
    process.exit(1)
  }
  setTimeout(exit, EXIT_DEADLINE_MS).unref()
})
