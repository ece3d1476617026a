import { collectGarbage } from '#lib/process/garbage.ts'

/** Growth since the last collection after which the next one follows: what a flood of large packets leaves in half a second. */
const GROWTH_BYTES = 40 * 2 ** 20
const INTERVAL_MS = 500
/** A collection stops the event loop for about 0.1 s. */
const MIN_CHECKS_BETWEEN = 10

interface ReleaseDeps {
  /** Bytes received since the start: of many idle clients, the memory grows without anything to collect. */
  received(): number
  rss?: () => number
  collect?: () => void
}

/**
 * Returns memory to the system while clients send large packets. V8 and the allocator would keep it, up to twice the limit of the
 * container (compose.yaml, wimz-broker.service), where the process would be killed.
 */
export function releaseMemory({
  received,
  rss = process.memoryUsage.rss,
  collect = collectGarbage,
}: ReleaseDeps): Disposable {
  let base = rss()
  let receivedBefore = received()
  let checks = 0
  const timer = setInterval(() => {
    checks++
    const now = rss()
    base = Math.min(base, now)
    if (now < base + GROWTH_BYTES || checks < MIN_CHECKS_BETWEEN) return
    if (received() < receivedBefore + GROWTH_BYTES) return
    checks = 0
    collect()
    base = rss()
    receivedBefore = received()
  }, INTERVAL_MS)
  timer.unref()
  return { [Symbol.dispose]: () => clearInterval(timer) }
}
