import type { Client } from 'aedes'

/** The last packet id, MQTT 3.1.1 §2.3.1. */
const MAX_ID = 0xffff

/** Packet ids of one connection that are in use: sent, and not acknowledged. */
class PacketIds {
  /** One bit for each id. */
  readonly #used = new Uint8Array((MAX_ID + 1) / 8)
  #count = 0
  #next = 1

  /** An id that is not in use; undefined if all are. */
  get next(): number | undefined {
    if (this.#count === MAX_ID) return undefined
    while (this.#isUsed(this.#next)) this.#next = (this.#next % MAX_ID) + 1
    return this.#next
  }

  reserve(id: number): void {
    if (this.#isUsed(id)) return
    this.#toggle(id)
    this.#count++
  }

  release(id: number): void {
    if (!this.#isUsed(id)) return
    this.#toggle(id)
    this.#count--
  }

  #isUsed(id: number): boolean {
    return ((this.#used[id >> 3] ?? 0) & (1 << (id & 7))) !== 0
  }

  #toggle(id: number): void {
    this.#used[id >> 3] = (this.#used[id >> 3] ?? 0) ^ (1 << (id & 7))
  }
}

/** Of the clients that received a message of QoS 1 or 2. */
const assigned = new WeakMap<object, PacketIds>()

function idsOf(client: object): PacketIds {
  const ids = assigned.get(client) ?? new PacketIds()
  assigned.set(client, ids)
  return ids
}

/**
 * Assigns packet ids that are not in use [MQTT-2.3.1-4]: Aedes counts on from a random id and reuses those of messages that the
 * client has not acknowledged. A client that acknowledges none of 65,535 messages is disconnected.
 */
export function assignPacketIds(client: Client): void {
  Object.defineProperty(client, '_nextId', {
    get: () => idsOf(client).next ?? 0,
    // Aedes increments it when it has used it
    set() {
      const ids = idsOf(client)
      const used = ids.next
      if (used !== undefined) ids.reserve(used)
      if (ids.next === undefined) client.conn.destroy(new Error('no packet id left: nothing is acknowledged'))
    },
  })
}

/** A message of an earlier connection has this id. */
export function reservePacketId(client: object, id: number): void {
  idsOf(client).reserve(id)
}

/** The client has acknowledged the message with this id. */
export function releasePacketId(client: object, id: number | undefined): void {
  if (id !== undefined) assigned.get(client)?.release(id)
}
