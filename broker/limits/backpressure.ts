import type { Client } from 'aedes'
import type { EventCounter } from '#lib/metrics/event-counter.ts'

/** Limits on the bytes that are pending for one client. */
export interface BackpressureLimits {
  /** Above this, QoS 0 messages for the client are dropped [bytes]. */
  dropAbove: number
  /** Above this, the client is closed [bytes]. */
  closeAbove: number
  /** After this time above `dropAbove` the client is closed [ms]. */
  closeAfter: number
}

export const BACKPRESSURE_LIMITS: BackpressureLimits = {
  dropAbove: 1024 * 1024,
  closeAbove: 16 * 1024 * 1024,
  closeAfter: 10_000,
}

const CHECK_INTERVAL_MS = 1_000

/** Protects the other clients and the memory from a client that does not read. */
export interface Backpressure extends Disposable {
  /** Whether the client can take a message of this QoS now. */
  accepts(client: Client, qos: number): boolean
}

/**
 * Drops QoS 0 messages for a slow client and closes one that stays slow. The write high water mark of its stream must be
 * above `closeAbove`: then Aedes never waits for a drain, and a stalled subscriber occupies none of its 100 delivery
 * slots. With Aedes's defaults one stalled subscriber stops every topic for a minute (moscajs/aedes#1060).
 */
export function createBackpressure(
  clients: () => Iterable<Client>,
  counters: EventCounter,
  limits: BackpressureLimits = BACKPRESSURE_LIMITS,
): Backpressure {
  const slowSince = new WeakMap<Client, number>()
  const close = (client: Client) => {
    counters.count('clients_closed')
    client.conn.destroy()
  }
  const check = () => {
    for (const client of clients()) {
      const pending = client.conn.writableLength
      if (pending <= limits.dropAbove) slowSince.delete(client)
      else if (!slowSince.has(client)) slowSince.set(client, performance.now())
      else if (performance.now() - (slowSince.get(client) ?? 0) > limits.closeAfter) close(client)
    }
  }
  const timer = setInterval(check, CHECK_INTERVAL_MS)
  timer.unref()
  return {
    accepts(client, qos) {
      const pending = client.conn.writableLength
      if (pending > limits.closeAbove) close(client)
      else if (pending <= limits.dropAbove || qos > 0) return true
      counters.count('messages_dropped')
      return false
    },
    [Symbol.dispose]: () => clearInterval(timer),
  }
}
