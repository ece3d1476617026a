import {
  AggregatorRegistry,
  Gauge,
  type MetricObjectWithValues,
  type MetricValue,
  Registry,
} from 'prom-client'
import type { Metrics } from '#bus/messages.ts'

/** Older metrics are left out; services publish every 5 s. */
const MAX_AGE_MS = 30_000
/** More services than this are a flood. */
const MAX_SERVICES = 32

/** The newest metrics of every service, as one page. Without the bus no service counts as up. */
export class Collection {
  readonly #metrics = new Map<string, { metrics: Metrics; at: number }>()
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
      help: '1 when the state of the service is online',
      labelNames: ['service'],
      registers: [this.#own],
    })
  }

  ingest(service: string, metrics: Metrics): void {
    if (this.#metrics.size < MAX_SERVICES || this.#metrics.has(service)) {
      this.#metrics.set(service, { metrics, at: this.#now() })
    }
    // its online state may have been overtaken by the last will of its previous connection
    if (this.#known.has(service)) this.#up.set({ service }, 1)
  }

  setOnline(service: string, online: boolean): void {
    if (this.#known.size >= MAX_SERVICES && !this.#known.has(service)) return
    this.#known.add(service)
    this.#up.set({ service }, online ? 1 : 0)
    if (!online) this.#metrics.delete(service)
  }

  /** States from before a lost connection may be wrong: every service must report again. */
  forget(): void {
    this.#metrics.clear()
    for (const service of this.#known) this.#up.set({ service }, 0)
  }

  /** In the text format of Prometheus 0.0.4. */
  async text(): Promise<string> {
    this.#connected.set(this.#bus.connected ? 1 : 0)
    if (!this.#bus.connected) this.forget()
    const fresh = [...this.#metrics.values()].filter(({ at }) => this.#now() - at < MAX_AGE_MS)
    const all = AggregatorRegistry.aggregate([
      ...fresh.map(({ metrics }) => metrics.map(forAggregation)),
      await this.#own.getMetricsAsJSON(),
    ])
    return await all.metrics()
  }
}

/** The `service` label keeps the values of services apart, so that nothing is summed. */
function forAggregation(metric: Metrics[number]): MetricObjectWithValues<MetricValue<string>> {
  const values = metric.values.filter(({ value }) => value !== null)
  return { ...metric, values, aggregator: 'sum' } as unknown as MetricObjectWithValues<MetricValue<string>>
}
