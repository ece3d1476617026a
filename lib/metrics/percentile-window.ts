import { createHistogram, type RecordableHistogram } from 'node:perf_hooks'

/** The window holds the newest 150 to 300 values: two histograms, and the older one is emptied when the newer is full. */
const HALF = 150
/** Histograms of Node count integers from 1: tenths. */
const PER_UNIT = 10
/** Keeps a histogram at 80 KB; larger values are left out of the percentiles. */
const HIGHEST = 1_000_000

/** Median and 95th percentile, to a tenth up to 200, to 0.1 % above. */
export interface Percentiles {
  p50: number
  p95: number
}

/** The newest values of a continuous measurement, from 0 up. */
export class PercentileWindow {
  #newer = createHistogram({ highest: HIGHEST })
  #older = createHistogram({ highest: HIGHEST })

  add(value: number): void {
    if (this.#newer.count >= HALF) {
      ;[this.#older, this.#newer] = [this.#newer, this.#older]
      this.#newer.reset()
    }
    record(this.#newer, value)
  }

  /** Null before the first value. */
  percentiles(): Percentiles | null {
    const window = createHistogram({ highest: HIGHEST })
    window.add(this.#older)
    window.add(this.#newer)
    return read(window)
  }
}

/** Of all of these values; null of none. */
export function percentilesOf(values: readonly number[]): Percentiles | null {
  const histogram = createHistogram({ highest: HIGHEST })
  for (const value of values) record(histogram, value)
  return read(histogram)
}

function record(histogram: RecordableHistogram, value: number): void {
  histogram.record(Math.max(1, Math.round(value * PER_UNIT)))
}

function read(histogram: RecordableHistogram): Percentiles | null {
  if (histogram.count === 0) return null
  return { p50: histogram.percentile(50) / PER_UNIT, p95: histogram.percentile(95) / PER_UNIT }
}
