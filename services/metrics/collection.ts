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

/** The newest figures of every service, as one page. Without the bus nothing is known of anybody, and the page says so. */
export class Collection {
  readonly #said = new Map<string, { metrics: Metrics; at: number }>()
  readonly #own = new Registry()
  readonly #known = new Set<string>()
  readonly #up: Gauge<'service'>
  readonly #connected: Gauge
  readonly #bus: { readonly connected: boolean }
  readonly #now: () => number

  constructor(bus: { readonly connected: boolean }, now = performance.now.bind(performance)) {
    this.#bus = bus
    this.#now = now
    this.#connected = new Gauge({
      name: 'wimz_bus_connected',
      help: '1 while the exporter is connected to the bus; without it no service counts as up',
      registers: [this.#own],
    })
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
    // its word that it is online may have crossed with the last will of its connection before
    if (this.#known.has(service)) this.#up.set({ service }, 1)
  }

  heard(service: string, online: boolean): void {
    if (this.#known.size >= MOST && !this.#known.has(service)) return
    this.#known.add(service)
    this.#up.set({ service }, online ? 1 : 0)
    if (!online) this.#said.delete(service)
  }

  /** Whoever was known must say again that it is there: the states of before a lost connection may be wrong by now. */
  forget(): void {
    this.#said.clear()
    for (const service of this.#known) this.#up.set({ service }, 0)
  }

  /** In the text format of Prometheus 0.0.4. */
  async text(): Promise<string> {
    this.#connected.set(this.#bus.connected ? 1 : 0)
    if (!this.#bus.connected) this.forget()
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
