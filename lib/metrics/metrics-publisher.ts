import { Counter, collectDefaultMetrics, Gauge, type Registry } from 'prom-client'
import type { Bus } from '#bus/bus.ts'
import type { Metrics } from '#bus/messages.ts'
import { topics } from '#bus/topics.ts'
import type { Logger } from '../logger.ts'
import { VERSION } from '../version.ts'

/** Milliseconds. */
const EVERY = 5_000

/** What every service tells of its process, whatever its work. */
function addProcessMetrics(registry: Registry, bus: Pick<Bus, 'onConnect'>): Disposable {
  collectDefaultMetrics({ register: registry })
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
 * Says everything in the registry on `metrics/<service>`, now and then. Only where somebody wants it (`metrics.port`):
 * the event loop's lag is measured from then on, which costs a little.
 */
export function publishMetrics({ bus, registry, service, log, every = EVERY }: PublishOptions): Disposable {
  const stack = new DisposableStack()
  registry.setDefaultLabels({ service })
  stack.use(addProcessMetrics(registry, bus))
  const share = async () => {
    // typed with an enum that never is there at run time
    const said = (await registry.getMetricsAsJSON()) as unknown as Metrics
    await bus.publish(topics.metrics, said, { service })
  }
  const timer = setInterval(() => {
    share().catch((err: unknown) => log.warn({ err }, 'metrics not published'))
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
