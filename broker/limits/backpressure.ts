import type { AuthorizeForwardHandler, Client } from 'aedes'
import type { EventCounter } from '#lib/metrics/event-counter.ts'

/** Bounds on the bytes that wait for one client. */
export interface WaitingBounds {
  /** Above this many waiting bytes a client gets no QoS 0 message. */
  dropAbove: number
  /** Above this many it is closed. */
  closeAbove: number
  /** After this long above `dropAbove`, in milliseconds, it is closed. */
  closeAfter: number
}

export const WAITING_BOUNDS: WaitingBounds = {
  dropAbove: 1024 * 1024,
  closeAbove: 16 * 1024 * 1024,
  closeAfter: 10_000,
}

const LOOK_EVERY = 1_000

/** Keeps a client that does not read from holding up the others, or our memory. */
export interface WaitingGuard extends Disposable {
  authorizeForward: AuthorizeForwardHandler
}

/**
 * Drops QoS 0 messages for a client that lags behind, and closes one that goes on lagging. Its socket must have a high
 * water mark above `closeAbove`: then Aedes never waits for a drain, and a frozen subscriber holds none of its 100
 * delivery slots. With Aedes's defaults one frozen subscriber stops every topic for a minute (moscajs/aedes#1060).
 */
export function createWaitingGuard(
  clients: () => Iterable<Client>,
  tally: EventCounter,
  bounds: WaitingBounds = WAITING_BOUNDS,
): WaitingGuard {
  const laggingSince = new WeakMap<Client, number>()
  const close = (client: Client) => {
    tally.count('clients_closed')
    client.conn.destroy()
  }
  const look = () => {
    for (const client of clients()) {
      const waiting = client.conn.writableLength
      if (waiting <= bounds.dropAbove) laggingSince.delete(client)
      else if (!laggingSince.has(client)) laggingSince.set(client, performance.now())
      else if (performance.now() - (laggingSince.get(client) ?? 0) > bounds.closeAfter) close(client)
    }
  }
  const timer = setInterval(look, LOOK_EVERY)
  timer.unref()
  return {
    authorizeForward(client, packet) {
      const waiting = client.conn.writableLength
      if (waiting > bounds.closeAbove) close(client)
      else if (waiting <= bounds.dropAbove || packet.qos > 0) return packet
      tally.count('messages_dropped')
      return null
    },
    [Symbol.dispose]: () => clearInterval(timer),
  }
}
