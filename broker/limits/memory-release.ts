import { collectGarbage } from '#lib/process/garbage.ts'

/** Growth since the last collection after which the next one follows: what a flood of large packets leaves in half a second. */
const GROWTH_BYTES = 40 * 2 ** 20
const INTERVAL_MS = 500
/** A collection stops the event loop for about 0.1 s. */
const MIN_CHECKS_BETWEEN = 10

/**
 * Returns memory to the system while clients send large packets. V8 and the allocator would keep it, up to twice the limit of the
 * container (compose.yaml, wimz-broker.service), where the process would be killed.
 */
export function releaseMemory(rss = process.memoryUsage.rss, collect = collectGarbage): Disposable {
  let base = rss()
  let checks = 0
  const timer = setInterval(() => {
    checks++
    const now = rss()
    base = Math.min(base, now)
    if (now < base + GROWTH_BYTES || checks < MIN_CHECKS_BETWEEN) return
    checks = 0
    collect()
    base = rss()
  }, INTERVAL_MS)
  timer.unref()
  return { [Symbol.dispose]: () => clearInterval(timer) }
}
