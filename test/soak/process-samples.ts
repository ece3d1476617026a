import { readdirSync } from 'node:fs'
import { loadavg } from 'node:os'
import type { Bus } from '#bus/bus.ts'
import type { Metrics } from '#bus/messages.ts'
import { topics } from '#bus/topics.ts'
import { cpuOf, pss, rss } from '#dev/harness/process-usage.ts'

/** One process over one interval; null where it has no such figure. */
export interface Sample {
  /** Since the start. */
  seconds: number
  process: string
  rss_mib: number
  pss_mib: number
  descriptors: number
  threads: number
  cpu_percent: number
  loop_lag_p99_ms: number | null
  loop_lag_max_ms: number | null
  fps: number | null
  latency_p95_ms: number | null
  /** Load average of one minute. */
  load: number
}

/** What others measure of a process. */
type Measured = Readonly<Record<string, Partial<Pick<Sample, 'fps' | 'latency_p95_ms'>>>>

/** The last stage that a frame passes in each process. */
const LAST_STAGE: Readonly<Record<string, string>> = { vision: 'encode', webrtc: 'wire' }

/** Memory and descriptors from `/proc`; event loops and the age of frames from the metrics that each service publishes. */
export class ProcessSamples {
  readonly all: Sample[] = []
  readonly #pids: ReadonlyMap<string, number>
  readonly #start = performance.now()
  readonly #metrics = new Map<string, Metrics>()
  readonly #before = new Map<string, Metrics>()
  readonly #lags = new Map<string, { p99: number; max: number }>()

  private constructor(pids: ReadonlyMap<string, number>) {
    this.#pids = pids
  }

  static async open(bus: Bus, pids: ReadonlyMap<string, number>): Promise<ProcessSamples> {
    const samples = new ProcessSamples(pids)
    await bus.subscribe(topics.metrics, (metrics, { params }) => samples.#receive(params.service, metrics))
    return samples
  }

  /** Adds one sample for each process, over the time that `during` takes; `measured` is read at its end. */
  async add(during: () => Promise<unknown>, measured: () => Measured): Promise<readonly Sample[]> {
    const cpu = await cpuOf(this.#pids, during)
    const others = measured()
    const seconds = Math.round((performance.now() - this.#start) / 1000)
    const added = [...this.#pids].map(([name, pid]): Sample => {
      const lag = this.#lags.get(name)
      return {
        seconds,
        process: name,
        rss_mib: rss(pid),
        pss_mib: pss(pid),
        descriptors: readdirSync(`/proc/${pid}/fd`).length,
        threads: readdirSync(`/proc/${pid}/task`).length,
        cpu_percent: cpu.get(name) ?? Number.NaN,
        loop_lag_p99_ms: lag?.p99 ?? null,
        loop_lag_max_ms: lag?.max ?? null,
        fps: null,
        latency_p95_ms: this.#frameAge(name),
        load: loadavg()[0] ?? Number.NaN,
        ...others[name],
      }
    })
    this.#lags.clear()
    for (const [name, metrics] of this.#metrics) this.#before.set(name, metrics)
    this.all.push(...added)
    return added
  }

  /** prom-client measures the lag since its last collection: the worst of an interval counts. */
  #receive(service: string, metrics: Metrics): void {
    this.#metrics.set(service, metrics)
    const { p99, max } = this.#lags.get(service) ?? { p99: 0, max: 0 }
    this.#lags.set(service, {
      p99: Math.max(p99, gauge(metrics, 'nodejs_eventloop_lag_p99_seconds') * 1000),
      max: Math.max(max, gauge(metrics, 'nodejs_eventloop_lag_max_seconds') * 1000),
    })
  }

  /** 95th percentile of the frames since the last sample, ms: interpolated between the bounds of the histogram. */
  #frameAge(service: string): number | null {
    const stage = LAST_STAGE[service]
    if (!stage) return null
    const before = new Map(buckets(this.#before.get(service), stage))
    const counts = buckets(this.#metrics.get(service), stage).map(
      ([bound, count]) => [bound, count - (before.get(bound) ?? 0)] as const,
    )
    const wanted = 0.95 * (counts.at(-1)?.[1] ?? 0)
    if (wanted <= 0) return null
    const i = counts.findIndex(([, count]) => count >= wanted)
    const [upper, count] = counts[i] ?? [Number.NaN, 0]
    const [lower, below] = counts[i - 1] ?? [0, 0]
    if (!Number.isFinite(upper)) return lower
    return lower + ((upper - lower) * (wanted - below)) / Math.max(1, count - below)
  }
}

function gauge(metrics: Metrics, name: string): number {
  return metrics.find((one) => one.name === name)?.values[0]?.value ?? 0
}

/** Upper bounds in ms, and the frames up to each. */
function buckets(metrics: Metrics | undefined, stage: string) {
  const { values = [] } = metrics?.find(({ name }) => name === 'wimz_stage_seconds') ?? {}
  return values
    .filter(({ labels }) => labels.stage === stage && labels.le !== undefined)
    .map(({ labels, value }) => {
      const bound = labels.le === '+Inf' ? Number.POSITIVE_INFINITY : Number(labels.le) * 1000
      return [bound, value ?? 0] as const
    })
}
