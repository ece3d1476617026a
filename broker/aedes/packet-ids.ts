/** The last packet id, MQTT 3.1.1 §2.3.1 and 5.0 §2.2.1. */
const MAX_ID = 0xffff

/** Packet ids of one connection that are in use: sent, and not acknowledged [MQTT-2.3.1-4]. */
export class PacketIds {
  /** One bit for each id. */
  readonly #used = new Uint8Array((MAX_ID + 1) / 8)
  #count = 0
  #next = 1

  /** Reserves an id that is not in use; undefined if all are. */
  take(): number | undefined {
    if (this.#count === MAX_ID) return undefined
    while (this.#isUsed(this.#next)) this.#next = (this.#next % MAX_ID) + 1
    const id = this.#next
    this.reserve(id)
    return id
  }

  /** A message of an earlier connection has this id. */
  reserve(id: number): void {
    if (this.#isUsed(id)) return
    this.#toggle(id)
    this.#count++
  }

  /** The client has acknowledged the message with this id. */
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
