import { type Percentiles, PercentileWindow } from './percentile-window.ts'
import { Histogram, type Registry } from './prometheus.ts'

/** Seconds. */
const BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1]
/** Longer ages come from a clock that was set. */
const MAX_AGE_MS = 10_000

/** Age of video frames after each stage of the pipeline from camera to network. */
export interface LatencyHistograms<Stage extends string> {
  /** Records that a frame passed the stage, `age` ms after it was captured. */
  passed(stage: Stage, age: number): void
  /** Milliseconds; null before the first frame. */
  readonly summary: Readonly<Record<Stage, Percentiles | null>>
}

/** Histograms of the stages that one process runs; also exported as `wimz_stage_seconds`. */
export function createLatencyHistograms<Stage extends string>(
  registry: Registry,
  names: readonly Stage[],
): LatencyHistograms<Stage> {
  const histogram = new Histogram({
    name: 'wimz_stage_seconds',
    help: 'Age of a video frame when it has passed a stage: capture, detect, encode, bus, wire',
    labelNames: ['stage'],
    buckets: BUCKETS,
    registers: [registry],
  })
  const windows = new Map(names.map((name) => [name, new PercentileWindow()] as const))
  return {
    passed(stage, age) {
      if (age < 0 || age > MAX_AGE_MS) return
      windows.get(stage)?.add(age)
      histogram.observe({ stage }, age / 1000)
    },
    get summary() {
      const entries = names.map((name) => [name, windows.get(name)?.percentiles() ?? null])
      return Object.fromEntries(entries) as Record<Stage, Percentiles | null>
    },
  }
}
