import { Aedes, type Client } from 'aedes'
import { shrinkBufferPool } from '#bus/buffer-pool.ts'
import type { Logger } from '#lib/logger.ts'
import { createEventCounter, type EventCounter } from '#lib/metrics/event-counter.ts'
import { createAedesHooks, DENIED_TOPIC, MessageDenied } from './aedes/aedes-hooks.ts'
import { followSessions } from './aedes/delivery.ts'
import { MAX_INBOUND_QOS2, patchIncomingQos2 } from './aedes/incoming-qos2.ts'
import { MessageQueues, type QueueLimits } from './aedes/message-queues.ts'
import { patchRetained } from './aedes/retained-stream.ts'
import { SessionEnd } from './aedes/session-end.ts'
import { StoredSessions } from './aedes/stored-sessions.ts'
import type { Authorizer } from './auth/authorizer.ts'
import { BACKPRESSURE_LIMITS, type BackpressureLimits, createBackpressure } from './limits/backpressure.ts'
import { RetainedQuota } from './limits/retained-quota.ts'
import { disconnectPacket, type ProtocolViolation, REASON } from './protocol/packet-body.ts'
import { type Sources, Traffic } from './stats/statistics.ts'

/** The MQTT broker without its listeners. */
export interface Broker extends AsyncDisposable {
  readonly aedes: Aedes
  /** Counters of `broker/state`: `messages_dropped`, `clients_closed`, `publish_refused` … */
  readonly counters: EventCounter
  /** Counters since the start. */
  readonly totals: Readonly<Record<string, number>>
  readonly traffic: Traffic
  readonly queues: Pick<MessageQueues, 'protect'>
  /** Counts a violation of MQTT for which the client is being disconnected. */
  reportViolation(client: Client, violation: ProtocolViolation): void
  /** Whether the client has no user name. */
  isAnonymous(client: Client): boolean
  readonly sources: Omit<Sources, 'offlineSessions'>
}

export interface BrokerOptions {
  log: Logger
  /** `discardSession` deletes the stored session of a client id. */
  createAuthorizer(counters: EventCounter, discardSession: (id: string) => void): Authorizer
  /** First level of the stack's own topics, to recognize their kind. */
  prefix?: string
  backpressure?: BackpressureLimits | undefined
  queues?: QueueLimits | undefined
}

/** A client whose socket does not drain within this time is closed; the pending bytes are limited as well. */
const DRAIN_TIMEOUT_MS = 5_000
/** A connection without a CONNECT is closed after this time. */
const CONNECT_TIMEOUT_MS = 10_000

/** Write high water mark of a client's stream, see {@link createBackpressure}. */
export const STREAM_HIGH_WATER_MARK = 2 * BACKPRESSURE_LIMITS.closeAbove

/** An Aedes broker in which a stalled client does not delay the others. Its state is in memory only. */
export async function createBroker(options: BrokerOptions): Promise<Broker> {
  const { log, prefix = 'wimz' } = options
  shrinkBufferPool()
  const counters = createEventCounter(log, 'messages and clients dropped or denied')
  const sessions = new StoredSessions()
  const sessionEnd = new SessionEnd()
  const discardSession = (id: string) => {
    sessions.discard(id)
    sessionEnd.ended(id)
  }
  const authorizer = options.createAuthorizer(counters, discardSession)
  const clients = new Set<Client>()
  const backpressure = createBackpressure(() => clients, counters, options.backpressure)
  const retained = new RetainedQuota()
  const queues = new MessageQueues(counters, options.queues)
  const traffic = new Traffic()
  const aedes = await Aedes.createBroker({
    ...createAedesHooks({ authorizer, backpressure, queues, retained, traffic, counters, log, prefix }),
    drainTimeout: DRAIN_TIMEOUT_MS,
    connectTimeout: CONNECT_TIMEOUT_MS,
    receiveMaximum: MAX_INBOUND_QOS2,
  })
  queues.install(aedes)
  patchIncomingQos2(aedes)
  patchRetained(aedes)
  sessionEnd.install(aedes, discardSession)
  sessions.install(aedes, (client, topic) => authorizer.maySubscribe(client, topic))
  followSessions(aedes)
  aedes.on('client', (client) => sessions.connected(client))
  followClients(aedes, { clients, traffic, log })
  const clientErrors = countErrors(aedes, log)
  return {
    aedes,
    counters,
    totals: counters.totals,
    traffic,
    queues,
    reportViolation(client, violation) {
      counters.count('packets_invalid')
      clientErrors.count(violation.message)
      log.debug({ client: client.id, err: violation }, 'invalid packet')
    },
    isAnonymous: (client) => authorizer.isAnonymous(client),
    sources: { aedes, traffic, totals: counters.totals, retained, queued: () => queues.held },
    async [Symbol.asyncDispose]() {
      backpressure[Symbol.dispose]()
      await new Promise<void>((resolve) => aedes.close(() => resolve()))
      counters[Symbol.dispose]()
      clientErrors[Symbol.dispose]()
    },
  }
}

function followClients(aedes: Aedes, deps: { clients: Set<Client>; traffic: Traffic; log: Logger }): void {
  const { clients, traffic, log } = deps
  aedes.on('client', (client) => {
    clients.add(client)
    traffic.maxClients = Math.max(traffic.maxClients, aedes.connectedClients)
    log.debug({ client: client.id }, 'client connected')
  })
  aedes.on('keepaliveTimeout', (client) => {
    // Aedes destroys the connection behind this event
    if (client.disconnectReasonCode === null && isV5(client)) {
      client.conn.write(disconnectPacket(REASON.keepAliveTimeout))
    }
  })
  aedes.on('clientDisconnect', (client) => {
    clients.delete(client)
    log.debug({ client: client.id }, 'client disconnected')
  })
  aedes.on('publish', (packet, client) => {
    if (client && packet.topic !== DENIED_TOPIC) traffic.published(packet.payload)
  })
}

function isV5(client: Client): boolean {
  return (client as Client & { version: number }).version === 5
}

function countErrors(aedes: Aedes, log: Logger): EventCounter {
  const clientErrors = createEventCounter(log, 'clients disconnected because of errors')
  aedes.on('clientError', (client, err) => {
    if (err instanceof MessageDenied) return // counted as publish_refused; the client stays connected
    clientErrors.count(err.message.slice(0, 120))
    log.debug({ client: client.id, err }, 'client disconnected because of an error')
  })
  aedes.on('connectionError', (_client, err) => clientErrors.count(err.message.slice(0, 120)))
  return clientErrors
}
