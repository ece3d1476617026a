import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { inspect } from 'node:util'

/**
 * Resolves with the first truthy value of `condition`, which is polled every `every` milliseconds.
 * Rejects after `deadline` milliseconds with the condition and what `show` returns then.
 */
export async function until<T>(
  condition: () => T | Promise<T>,
  { deadline = 10_000, every = 10, show }: { deadline?: number; every?: number; show?: () => unknown } = {},
): Promise<Exclude<T, undefined | null | false>> {
  const start = performance.now()
  for (;;) {
    const value = await condition()
    if (value) return value as Exclude<T, undefined | null | false>
    const waited = performance.now() - start
    if (waited > deadline) assert.fail(`not within ${deadline} ms: ${describe(condition, show)}`)
    await sleep(Math.min(every, deadline - waited + 1))
  }
}

/** For what must not happen: asserts that `condition` holds now and for the next `span` milliseconds. */
export async function staysTrue(
  condition: () => boolean,
  span: number,
  { show }: { show?: () => unknown } = {},
): Promise<void> {
  const start = performance.now()
  for (;;) {
    const passed = performance.now() - start
    assert.ok(condition(), `no longer true after ${Math.round(passed)} ms: ${describe(condition, show)}`)
    if (passed >= span) return
    await sleep(Math.min(20, span - passed + 1))
  }
}

function describe(condition: () => unknown, show?: () => unknown): string {
  const text = String(condition).replace(/\s+/g, ' ')
  return show ? `${text}, with ${inspect(show(), { depth: 4, maxArrayLength: 20 })}` : text
}
/** Waits until one of the wakers is called, or for `atMost` milliseconds. */
export async function wake(wakers: Set<() => void>, atMost: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  wakers.add(resolve)
  const timer = setTimeout(resolve, atMost)
  await promise
  clearTimeout(timer)
  wakers.delete(resolve)
}
