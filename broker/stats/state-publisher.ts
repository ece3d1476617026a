import { encodePayload } from '#bus/topic.ts'
import { topics } from '#bus/topics.ts'
import { VERSION } from '#lib/version.ts'
import type { Broker } from '../broker.ts'
import { statistics } from './statistics.ts'

/** How often the figures are told, ms; Mosquitto's default. */
const EVERY = 10_000

interface ReportOptions {
  prefix: string
  /** Sessions whose clients are away. */
  away(): number
  every?: number | undefined
}

/** The broker speaks for itself, nobody else could say that it stops: `broker/state` and `$SYS/broker/…`, retained. */
export async function startReport(
  mqtt: Broker,
  { prefix, away, every = EVERY }: ReportOptions,
): Promise<AsyncDisposable> {
  const began = Date.now()
  const startedAt = performance.now()
  const topic = `${prefix}/${topics.serviceState.name({ service: 'broker' })}`
  const announce = (state: 'online' | 'offline') => {
    const detail = { clients: mqtt.aedes.connectedClients, refused: { ...mqtt.totals } }
    const since = state === 'online' ? began : Date.now()
    const payload = encodePayload(topics.serviceState, { state, version: VERSION, since, ...detail })
    return retain(mqtt, topic, payload, 1)
  }
  const report = async () => {
    const figures = statistics({ ...mqtt.sources, away }, startedAt)
    for (const [name, value] of Object.entries(figures)) {
      await retain(mqtt, `$SYS/broker/${name}`, Buffer.from(String(value)), 0)
    }
    await announce('online')
  }
  await report()
  let running = Promise.resolve()
  const timer = setInterval(() => {
    running = running.then(report)
  }, every)
  timer.unref()
  return {
    async [Symbol.asyncDispose]() {
      clearInterval(timer)
      await running
      await announce('offline')
    },
  }
}

function retain(mqtt: Broker, topic: string, payload: Buffer, qos: 0 | 1): Promise<void> {
  return new Promise((resolve) => {
    mqtt.aedes.publish({ cmd: 'publish', topic, payload, qos, retain: true, dup: false }, () => resolve())
  })
}
