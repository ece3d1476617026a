import {
  AggregatorRegistry,
  Gauge,
  type MetricObjectWithValues,
  type MetricValue,
  Registry,
} from 'prom-client'
import type { Metrics } from '#bus/messages.ts'

/** What a service said longer ago, in ms, is no longer told: it says it every 5 s. */
const STALE = 30_000
/** Services; more than this is a flood. */
const MOST = 32

/** The newest figures of every service, as one page. */
export class Collection {
  readonly #said = new Map<string, { metrics: Metrics; at: number }>()
  readonly #own = new Registry()
  readonly #known = new Set<string>()
  readonly #up: Gauge<'service'>
  readonly #now: () => number

  constructor(now = performance.now.bind(performance)) {
    this.#now = now
    this.#up = new Gauge({
      name: 'wimz_service_up',
      help: '1 when the service says that it is online',
      labelNames: ['service'],
      registers: [this.#own],
    })
  }

  take(service: string, metrics: Metrics): void {
    if (this.#said.size < MOST || this.#said.has(service)) {
      this.#said.set(service, { metrics, at: this.#now() })
    }
  }

  heard(service: string, online: boolean): void {
    if (this.#known.size >= MOST && !this.#known.has(service)) return
    this.#known.add(service)
    this.#up.set({ service }, online ? 1 : 0)
    if (!online) this.#said.delete(service)
  }

  /** In the text format of Prometheus 0.0.4. */
  async text(): Promise<string> {
    const fresh = [...this.#said.values()].filter(({ at }) => this.#now() - at < STALE)
    const all = AggregatorRegistry.aggregate([
      ...fresh.map(({ metrics }) => metrics.map(forAggregation)),
      await this.#own.getMetricsAsJSON(),
    ])
    return await all.metrics()
  }
}

/** The services' own labels keep their values apart, so that nothing is added up. */
function forAggregation(metric: Metrics[number]): MetricObjectWithValues<MetricValue<string>> {
  const values = metric.values.filter(({ value }) => value !== null)
  return { ...metric, values, aggregator: 'sum' } as unknown as MetricObjectWithValues<MetricValue<string>>
}
