import type { Aedes, Client, ConnectPacket } from 'aedes'
import { LongTimeout } from '../long-timeout.ts'

type Will = NonNullable<ConnectPacket['will']> & { properties?: { willDelayInterval?: number } }

/** Members of an Aedes client that its typings lack. */
type EndingClient = Client & {
  version: number
  will: Will | null
  _cleanStart?: boolean
  _authorized: boolean
}

/** Members of Aedes that its typings lack. */
interface SessionAedes {
  clients: Record<string, EndingClient>
  brokers: object
  persistence: { cleanIncoming(client: { id: string }): Promise<void> }
  _takingOver: Set<string>
  registerClient(client: EndingClient): void
  unregisterClient(client: EndingClient): void
  _finishRegisterClient(client: EndingClient): void
  scheduleSessionExpiry(client: EndingClient): void
  scheduleWill(client: EndingClient, will: Will, delaySeconds: number): void
  clearDelayedWill(id: string): void
  publishWill(client: EndingClient, will: Will): void
}

/**
 * The end of connections and sessions, as far as Aedes decides it: wills that wait for their delay are published when their
 * session ends earlier [MQTT-3.1.2-8], and a session is not deleted by a connection that another one has replaced.
 */
export class SessionEnd {
  /** Wills whose delay has not passed, by client id. Their sessions are stored, so client-ids.ts limits their number. */
  readonly #wills = new Map<string, { timer: LongTimeout; publish(): void }>()

  /** `discard` deletes a session. */
  install(aedes: Aedes, discard: (id: string) => void): void {
    const inner = aedes as unknown as SessionAedes
    // client ids and broker ids come from the network: `__proto__` must be a name like any other
    inner.clients = Object.create(null)
    inner.brokers = Object.create(null)
    this.#replaceWills(aedes, inner)
    this.#replaceRegistration(inner)
    // stored sessions expire in client-ids.ts, for MQTT 3.1.1 as well
    inner.scheduleSessionExpiry = (client) => {
      const { id } = client
      if (aedes.closed || inner._takingOver.has(id) || inner.clients[id]) return
      if (client.version === 5 && client.sessionExpiryInterval === 0) discard(id)
      else if (client.clean) void inner.persistence.cleanIncoming(client)
    }
  }

  /** The session of a client that is not connected has ended. */
  ended(id: string): void {
    this.#wills.get(id)?.publish()
  }

  #replaceWills(aedes: Aedes, inner: SessionAedes): void {
    inner.scheduleWill = (client, will, delaySeconds) => {
      const { id } = client
      if (aedes.closed || inner._takingOver.has(id)) return
      inner.clearDelayedWill(id)
      const publish = () => {
        inner.clearDelayedWill(id)
        inner.publishWill(client, will)
      }
      this.#wills.set(id, { timer: new LongTimeout(delaySeconds * 1_000, publish), publish })
    }
    inner.clearDelayedWill = (id) => {
      this.#wills.get(id)?.timer[Symbol.dispose]()
      this.#wills.delete(id)
    }
    aedes.once('closed', () => {
      for (const id of [...this.#wills.keys()]) inner.clearDelayedWill(id)
    })
  }

  #replaceRegistration(inner: SessionAedes): void {
    const register = inner.registerClient.bind(inner)
    const finish = inner._finishRegisterClient.bind(inner)
    const unregister = inner.unregisterClient.bind(inner)
    inner.registerClient = (client) => {
      if (client._cleanStart) {
        // the session before ends, so its will does not wait any longer [MQTT-3.1.4-3]
        this.ended(client.id)
        const { will } = inner.clients[client.id] ?? {}
        if (will?.properties) will.properties.willDelayInterval = 0
      }
      register(client)
    }
    inner._finishRegisterClient = (client) => {
      // after the connection that it takes over: its last QoS 2 message must not be stored behind this
      if (client._cleanStart) void inner.persistence.cleanIncoming(client)
      finish(client)
    }
    inner.unregisterClient = (client) => {
      const successor = inner.clients[client.id]
      unregister(client)
      if (successor && successor !== client) inner.clients[client.id] = successor
    }
  }
}
