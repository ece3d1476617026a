/** Values that are kept. */
const KEPT = 300

/** Median and 95th percentile, to a tenth. */
export interface Spread {
  p50: number
  p95: number
}

/** The newest values of something that is measured all the time. */
export interface Samples {
  add(value: number): void
  /** Null before the first. */
  spread(): Spread | null
}

export function createSamples(): Samples {
  const values: number[] = []
  let next = 0
  return {
    add(value) {
      values[next] = value
      next = (next + 1) % KEPT
    },
    spread: () => spreadOf(values),
  }
}

export function spreadOf(values: readonly number[]): Spread | null {
  const sorted = values.toSorted((a, b) => a - b)
  const at = (part: number) => {
    const value = sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0
    return Math.round(value * 10) / 10
  }
  return sorted.length === 0 ? null : { p50: at(0.5), p95: at(0.95) }
}
