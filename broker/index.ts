import { createServer, type Server, type Socket } from 'node:net'
import type { z } from 'zod'
import { encodePayload } from '#bus/topic.ts'
import { topics } from '#bus/topics.ts'
import { listen } from '#lib/listen.ts'
import type { Logger } from '#lib/logger.ts'
import { BusSection } from '#lib/sections.ts'
import { defineUnit } from '#lib/service.ts'
import { VERSION } from '#lib/version.ts'
import { type Broker, createBroker, STREAM_HIGH_WATER_MARK } from './broker.ts'
import { BrokerSection } from './config.ts'
import type { WaitingBounds } from './waiting.ts'

const config = { broker: BrokerSection, bus: BusSection }

export const broker = defineUnit({ name: 'broker', config, start: startBroker })

interface BrokerDeps {
  config: { broker: BrokerSection; bus: z.infer<typeof BusSection> }
  log: Logger
  bounds?: WaitingBounds
}

/** A running broker that listens. */
export interface RunningBroker extends AsyncDisposable {
  /** TCP port; useful where the config says 0. */
  readonly port: number
  /** Mishaps since the start, by kind. */
  readonly totals: Broker['totals']
}

/** Listens for MQTT clients. Throws a ConfigError when the address cannot be had. */
export async function startBroker({ config, log, bounds }: BrokerDeps): Promise<RunningBroker> {
  await using stack = new AsyncDisposableStack()
  const sockets = new Set<Socket>()
  stack.defer(() => destroyAll(sockets))
  const mqtt = stack.use(await createBroker({ log, ...(bounds ? { bounds } : {}) }))
  const server = createListener(mqtt, sockets)
  const { host } = config.broker
  const taken = 'another broker is there: set broker.port and bus.url to a free port'
  const port = await listen(server, { section: 'broker', host, port: config.broker.port, taken })
  stack.defer(() => void server.close())
  const since = Date.now()
  const say = (state: 'online' | 'offline') => announce(mqtt, config.bus.prefix, { state, since })
  await say('online')
  stack.defer(() => say('offline'))
  log.info({ host, port }, 'broker listens')
  const owned = stack.move()
  return { port, totals: mqtt.totals, [Symbol.asyncDispose]: () => owned.disposeAsync() }
}

function createListener(mqtt: Broker, sockets: Set<Socket>): Server {
  return createServer({ noDelay: true, highWaterMark: STREAM_HIGH_WATER_MARK }, (socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    mqtt.aedes.handle(socket)
  })
}

/** The broker speaks for itself: nobody else could say that it stops. */
function announce(mqtt: Broker, prefix: string, state: { state: 'online' | 'offline'; since: number }) {
  const payload = encodePayload(topics.serviceState, { ...state, version: VERSION })
  const topic = `${prefix}/${topics.serviceState.name({ service: 'broker' })}`
  return new Promise<void>((resolve) => {
    mqtt.aedes.publish({ cmd: 'publish', topic, payload, qos: 1, retain: true, dup: false }, () => resolve())
  })
}

/** Also those that never said CONNECT, which Aedes does not know. */
function destroyAll(sockets: Set<Socket>): void {
  for (const socket of sockets) socket.destroy()
}
