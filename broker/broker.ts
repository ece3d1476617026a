import { Aedes, type Client } from 'aedes'
import { shrinkBufferPool } from '#bus/buffer-pool.ts'
import type { Logger } from '#lib/logger.ts'
import { createEventCounter, type EventCounter } from '#lib/metrics/event-counter.ts'
import { createGate, NOWHERE } from './aedes/aedes-hooks.ts'
import { OfflineQueues, type QueueBounds } from './aedes/offline-queues.ts'
import { ResumedSessions } from './aedes/resumed-sessions.ts'
import { mendRetained } from './aedes/retained-stream.ts'
import type { Access } from './auth/authorizer.ts'
import { createWaitingGuard, WAITING_BOUNDS, type WaitingBounds } from './limits/backpressure.ts'
import { RetainedLedger } from './limits/retained-quota.ts'
import { type Sources, Traffic } from './stats/statistics.ts'

/** The MQTT broker without its listeners. */
export interface Broker extends AsyncDisposable {
  readonly aedes: Aedes
  /** Counts mishaps: `messages_dropped`, `clients_closed`, `publish_refused` … */
  readonly tally: EventCounter
  /** Sums since the start. */
  readonly totals: Readonly<Record<string, number>>
  readonly traffic: Traffic
  readonly queues: Pick<OfflineQueues, 'protect'>
  readonly sources: Omit<Sources, 'offlineSessions'>
}

export interface BrokerOptions {
  log: Logger
  access(tally: EventCounter): Access
  /** First level of our topics, to tell kinds of them apart in the log. */
  prefix?: string
  bounds?: WaitingBounds | undefined
  queues?: QueueBounds | undefined
}

/** A client that does not empty its socket in this time is closed; the bytes that wait are bounded as well. */
const DRAIN_TIMEOUT = 5_000
/** Whoever has not said CONNECT by then is closed. */
const CONNECT_TIMEOUT = 10_000
/** Messages of QoS 2 that a client has begun and not ended; we use none. */
const MOST_INBOUND = 20

/** Highest high water mark that a client's stream needs, see {@link createWaitingGuard}. */
export const STREAM_HIGH_WATER_MARK = 2 * WAITING_BOUNDS.closeAbove

/** An Aedes broker that no stalled client can hold up. It keeps nothing across restarts but what configs/broker.yaml wants kept. */
export async function createBroker(options: BrokerOptions): Promise<Broker> {
  const { log, bounds, prefix = 'wimz' } = options
  shrinkBufferPool()
  const tally = createEventCounter(log, 'what clients lost, or were refused')
  const access = options.access(tally)
  const known = new Set<Client>()
  const guard = createWaitingGuard(() => known, tally, bounds)
  const resumed = new ResumedSessions()
  const retained = new RetainedLedger()
  const queues = new OfflineQueues(tally, options.queues)
  const traffic = new Traffic()
  const aedes = await Aedes.createBroker({
    ...createGate({ access, retained, tally, log, prefix }),
    drainTimeout: DRAIN_TIMEOUT,
    connectTimeout: CONNECT_TIMEOUT,
    maxInflightInbound: MOST_INBOUND,
    preConnect(client, packet, done) {
      resumed.connecting(client, packet.clean !== false)
      done(null, true)
    },
    authorizeForward(client, packet) {
      // rules may have changed since it subscribed, or since its session was stored
      if (!access.mayRead(client, packet.topic)) return null
      const forwarded = guard.authorizeForward(client, packet)
      if (!forwarded) return null
      resumed.sending(client, packet)
      traffic.forwarded(packet.payload)
      return forwarded
    },
  })
  queues.follow(aedes)
  mendRetained(aedes)
  resumed.follow(aedes)
  followClients(aedes, { known, traffic, log })
  const clientErrors = countErrors(aedes, log)
  return {
    aedes,
    tally,
    totals: tally.totals,
    traffic,
    queues,
    sources: { aedes, traffic, totals: tally.totals, retained, queued: () => queues.held },
    async [Symbol.asyncDispose]() {
      guard[Symbol.dispose]()
      await new Promise<void>((resolve) => aedes.close(() => resolve()))
      tally[Symbol.dispose]()
      clientErrors[Symbol.dispose]()
    },
  }
}

function followClients(aedes: Aedes, deps: { known: Set<Client>; traffic: Traffic; log: Logger }): void {
  const { known, traffic, log } = deps
  aedes.on('client', (client) => {
    known.add(client)
    traffic.mostClients = Math.max(traffic.mostClients, aedes.connectedClients)
    log.debug({ client: client.id }, 'client connected')
  })
  aedes.on('clientDisconnect', (client) => {
    known.delete(client)
    log.debug({ client: client.id }, 'client gone')
  })
  aedes.on('publish', (packet, client) => {
    if (client && packet.topic !== NOWHERE) traffic.published(packet.payload)
  })
}

function countErrors(aedes: Aedes, log: Logger): EventCounter {
  const clientErrors = createEventCounter(log, 'clients were cut off for their errors')
  aedes.on('clientError', (client, err) => {
    clientErrors.count(`${client.id}: ${err.message}`.slice(0, 120))
  })
  aedes.on('connectionError', (_client, err) => clientErrors.count(err.message.slice(0, 120)))
  return clientErrors
}
