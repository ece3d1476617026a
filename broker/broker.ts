import { Aedes, type Client } from 'aedes'
import { shrinkBufferPool } from '#bus/buffer-pool.ts'
import type { Logger } from '#lib/logger.ts'
import { createTally } from '#lib/tally.ts'
import { ResumedSessions } from './resumed-sessions.ts'
import { createWaitingGuard, WAITING_BOUNDS, type WaitingBounds } from './waiting.ts'

/** The MQTT broker without its listeners. */
export interface Broker extends AsyncDisposable {
  readonly aedes: Aedes
  /** Mishaps since the start: `messages_dropped`, `clients_closed`. */
  readonly totals: Readonly<Record<string, number>>
}

/** A client that does not empty its socket in this time is closed; the bytes that wait are bounded as well. */
const DRAIN_TIMEOUT = 5_000

/** Highest high water mark that a client's stream needs, see {@link createWaitingGuard}. */
export const STREAM_HIGH_WATER_MARK = 2 * WAITING_BOUNDS.closeAbove

/** An Aedes broker that no stalled client can hold up. It keeps no state across restarts. */
export async function createBroker({
  log,
  bounds,
}: {
  log: Logger
  bounds?: WaitingBounds
}): Promise<Broker> {
  shrinkBufferPool()
  const tally = createTally(log, 'clients lag behind: QoS 0 messages dropped for them, the worst closed')
  const known = new Set<Client>()
  const guard = createWaitingGuard(() => known, tally, bounds)
  const resumed = new ResumedSessions()
  const aedes = await Aedes.createBroker({
    drainTimeout: DRAIN_TIMEOUT,
    preConnect(client, packet, done) {
      resumed.connecting(client, packet.clean !== false)
      done(null, true)
    },
    authorizeForward(client, packet) {
      const forwarded = guard.authorizeForward(client, packet)
      if (forwarded) resumed.sending(client, packet)
      return forwarded
    },
  })
  resumed.follow(aedes)
  aedes.on('client', (client) => {
    known.add(client)
    log.debug({ client: client.id }, 'client connected')
  })
  aedes.on('clientDisconnect', (client) => {
    known.delete(client)
    log.debug({ client: client.id }, 'client gone')
  })
  const clientErrors = createTally(log, 'clients were cut off for their errors')
  aedes.on('clientError', (client, err) => {
    clientErrors.count(`${client.id}: ${err.message}`.slice(0, 120))
  })
  aedes.on('connectionError', (_client, err) => clientErrors.count(err.message.slice(0, 120)))
  return {
    aedes,
    totals: tally.totals,
    async [Symbol.asyncDispose]() {
      guard[Symbol.dispose]()
      await new Promise<void>((resolve) => aedes.close(() => resolve()))
      tally[Symbol.dispose]()
      clientErrors[Symbol.dispose]()
    },
  }
}
