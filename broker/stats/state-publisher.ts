import { encodePayload, toWire } from '#bus/topic.ts'
import { topics } from '#bus/topics.ts'
import { VERSION } from '#lib/version.ts'
import type { Broker } from '../broker.ts'
import { statistics } from './statistics.ts'

/** Mosquitto's default. */
const REPORT_INTERVAL_MS = 10_000

interface ReportOptions {
  prefix: string
  /** Stored sessions whose client is not connected. */
  offlineSessions(): number
  /** Milliseconds. */
  interval?: number | undefined
}

/** Publishes `broker/state` and `$SYS/broker/…`, retained, at an interval, and `offline` when disposed: a broker has no last will. */
export async function startStatePublisher(
  mqtt: Broker,
  { prefix, offlineSessions, interval = REPORT_INTERVAL_MS }: ReportOptions,
): Promise<AsyncDisposable> {
  const startedAtEpoch = Date.now()
  const startedAt = performance.now()
  const topic = toWire(topics.brokerState, prefix, topics.brokerState.name())
  const announce = (state: 'online' | 'offline') => {
    const detail = { clients: mqtt.aedes.connectedClients, refused: { ...mqtt.totals } }
    const since = state === 'online' ? startedAtEpoch : Date.now()
    const payload = encodePayload(topics.brokerState, { state, version: VERSION, since, ...detail })
    return publishRetained(mqtt, topic, payload, 1)
  }
  const report = async () => {
    const values = statistics({ ...mqtt.sources, offlineSessions }, startedAt)
    for (const [name, value] of Object.entries(values)) {
      await publishRetained(mqtt, `$SYS/broker/${name}`, Buffer.from(String(value)), 0)
    }
    await announce('online')
  }
  await report()
  let running = Promise.resolve()
  const timer = setInterval(() => {
    running = running.then(report)
  }, interval)
  timer.unref()
  return {
    async [Symbol.asyncDispose]() {
      clearInterval(timer)
      await running
      await announce('offline')
    },
  }
}

function publishRetained(mqtt: Broker, topic: string, payload: Buffer, qos: 0 | 1): Promise<void> {
  return new Promise((resolve) => {
    mqtt.aedes.publish({ cmd: 'publish', topic, payload, qos, retain: true, dup: false }, () => resolve())
  })
}
