import type { Bus } from '#bus/bus.ts'
import type { Metrics } from '#bus/messages.ts'
import { topics } from '#bus/topics.ts'
import type { Logger } from '../logger.ts'
import { VERSION } from '../version.ts'
import { Counter, collectProcessMetrics, Gauge, type Registry } from './prometheus.ts'

const PUBLISH_INTERVAL_MS = 5_000

/** Metrics of the process, the same for every service. */
function addProcessMetrics(registry: Registry, bus: Pick<Bus, 'onConnect'>): Disposable {
  collectProcessMetrics(registry)
  const reconnects = new Counter({
    name: 'wimz_mqtt_reconnects_total',
    help: 'Connections to the broker after the first one',
    registers: [registry],
  })
  new Gauge({
    name: 'wimz_build_info',
    help: 'Always 1; the version is its label',
    labelNames: ['version'],
    registers: [registry],
  }).set({ version: VERSION }, 1)
  return bus.onConnect(() => reconnects.inc())
}

/**
 * Publishes the registry on `metrics/<service>` periodically. Called only with `metrics.port` set, since measuring the
 * event loop's lag has a cost.
 */
export function publishMetrics({
  bus,
  registry,
  service,
  log,
  every = PUBLISH_INTERVAL_MS,
}: PublishOptions): Disposable {
  const stack = new DisposableStack()
  registry.setDefaultLabels({ service })
  stack.use(addProcessMetrics(registry, bus))
  const publish = async () => {
    // prom-client types `type` as an enum, but it is a string at run time
    const metrics = (await registry.getMetricsAsJSON()) as unknown as Metrics
    await bus.publish(topics.metrics, metrics, { service })
  }
  const timer = setInterval(() => {
    publish().catch((err: unknown) => log.warn({ err }, 'metrics not published'))
  }, every)
  timer.unref()
  stack.defer(() => clearInterval(timer))
  return stack
}

interface PublishOptions {
  bus: Bus
  registry: Registry
  service: string
  log: Logger
  /** Milliseconds. */
  every?: number
}
