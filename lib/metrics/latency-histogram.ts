import { Histogram, type Registry } from 'prom-client'
import { createSamples, type Samples, type Spread } from './percentile-window.ts'

/** Seconds. */
const BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1]
/** A clock that was set, not a picture that is late. Milliseconds. */
const IMPLAUSIBLE = 10_000

/** How old pictures are when they have passed each stage of their way from the camera to the network. */
export interface Stages<Stage extends string> {
  /** A picture is through with it, so many ms after it was taken. */
  passed(stage: Stage, age: number): void
  /** Milliseconds; null before the first picture. */
  readonly summary: Readonly<Record<Stage, Spread | null>>
}

/** The stages that one process sees; each is a histogram `wimz_stage_seconds` as well. */
export function createLatencyHistograms<Stage extends string>(
  registry: Registry,
  names: readonly Stage[],
): Stages<Stage> {
  const histogram = new Histogram({
    name: 'wimz_stage_seconds',
    help: 'Age of a picture when it has passed a stage: capture, detect, encode, bus, wire',
    labelNames: ['stage'],
    buckets: BUCKETS,
    registers: [registry],
  })
  const samples = Object.fromEntries(names.map((name) => [name, createSamples()])) as Record<Stage, Samples>
  return {
    passed(stage, age) {
      if (age < 0 || age > IMPLAUSIBLE) return
      samples[stage].add(age)
      histogram.observe({ stage }, age / 1000)
    },
    get summary() {
      return Object.fromEntries(names.map((name) => [name, samples[name].spread()])) as Record<
        Stage,
        Spread | null
      >
    },
  }
}
