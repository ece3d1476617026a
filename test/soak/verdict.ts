import { theilSen } from '#dev/harness/trend.ts'
import type { Sample } from './process-samples.ts'

type Figure = 'pss_mib' | 'descriptors' | 'threads' | 'loop_lag_p99_ms' | 'latency_p95_ms'

/**
 * The most that a figure may grow after the warm-up: once, which is what caches and single viewers move, and with each hour.
 */
const MAX_GROWTH: Readonly<Record<Figure, { once: number; hourly: number; unit: string }>> = {
  pss_mib: { once: 8, hourly: 12, unit: 'MiB' },
  descriptors: { once: 3, hourly: 0, unit: 'descriptors' },
  threads: { once: 3, hourly: 0, unit: 'threads' },
  loop_lag_p99_ms: { once: 50, hourly: 0, unit: 'ms' },
  latency_p95_ms: { once: 50, hourly: 0, unit: 'ms' },
}

/** A shorter time shows caches that fill, not trends. */
const MIN_SECONDS = 300

interface Growth {
  process: string
  figure: Figure
  /** By the slope and by its lower bound, over the time of the samples. */
  growth: number
  atLeast: number
  unit: string
  isTrend: boolean
}

/**
 * Growth of each figure of each process, by a line through its samples. A trend is one whose lower bound exceeds the limit
 * over five minutes or more, so that a few high samples are none.
 */
export function growths(samples: readonly Sample[]): Growth[] {
  const processes = Map.groupBy(samples, ({ process }) => process)
  return [...processes].flatMap(([process, of]) =>
    (Object.keys(MAX_GROWTH) as Figure[]).flatMap((figure) => {
      const points = of.flatMap(({ seconds, [figure]: y }) => (y === null ? [] : [[seconds, y] as const]))
      const [first, last] = [points[0], points.at(-1)]
      if (!first || !last || first === last) return []
      const seconds = last[0] - first[0]
      const { slope, low } = theilSen(points)
      const { once, hourly, unit } = MAX_GROWTH[figure]
      const atLeast = low * seconds
      const isTrend = seconds >= MIN_SECONDS && atLeast > once + (hourly * seconds) / 3_600
      return [{ process, figure, growth: slope * seconds, atLeast, unit, isTrend }]
    }),
  )
}
