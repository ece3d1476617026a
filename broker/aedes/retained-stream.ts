import { Readable, type Writable } from 'node:stream'
import type { Aedes, PublishPacket } from 'aedes'

interface RetainedPersistence {
  createRetainedStreamCombi(filters: string[]): Readable
  storeRetained(packet: PublishPacket): PromiseLike<void>
}

/**
 * Corrects three faults of Aedes with retained messages: a subscription to `#` gets those of `$SYS` [MQTT-4.7.2-1]; a new
 * subscriber can get an outdated message after its replacement; and while a message is being stored, the next QoS 0
 * message overtakes it, so that Aedes drops the retained one as a duplicate.
 */
export function patchRetained(aedes: Aedes): void {
  const { persistence } = aedes as Aedes & { persistence: RetainedPersistence }
  const open = persistence.createRetainedStreamCombi.bind(persistence)
  const store = persistence.storeRetained.bind(persistence)
  const responses = new Set<RetainedResponse>()
  persistence.storeRetained = (packet) => {
    for (const response of responses) response.outdate(packet.topic)
    store(packet)
    return STORED
  }
  persistence.createRetainedStreamCombi = (filters) => {
    const [wide, narrow] = [filters.filter(isWide), filters.filter((filter) => !isWide(filter))]
    const packets = wide.length === 0 ? open(narrow) : Readable.from(concat(open(wide), open(narrow)))
    const response = new RetainedResponse(packets)
    responses.add(response)
    response.once('close', () => responses.delete(response))
    return response
  }
}

/** The in-memory store is synchronous; a real promise would resolve after the next packet is processed. */
const STORED: PromiseLike<void> = {
  // biome-ignore lint/suspicious/noThenProperty: Aedes expects a promise and calls only this method
  then(done) {
    done?.()
    return this as never
  },
}

async function* concat(wide: Readable, narrow: Readable) {
  for await (const packet of wide) if (!packet.topic.startsWith('$')) yield packet
  yield* narrow
}

function isWide(filter: string): boolean {
  return /^[+#]/.test(filter)
}

/** The retained messages for one SUBSCRIBE. Its subscriptions are active, so newer messages arrive through those. */
class RetainedResponse extends Readable {
  readonly #packets: Readable
  readonly #outdated = new Set<string>()

  constructor(packets: Readable) {
    super({ objectMode: true })
    this.#packets = packets
  }

  /** A newer message of this topic was published. */
  outdate(topic: string): void {
    this.#outdated.add(topic)
  }

  /** One at a time: whether a message is outdated is decided when it is sent, not when it is buffered. */
  override pipe<T extends NodeJS.WritableStream>(target: T): T {
    this.#send(target as unknown as Writable).then(
      () => this.destroy(),
      (err: Error) => this.destroy(err),
    )
    return target
  }

  async #send(target: Writable): Promise<void> {
    for await (const packet of this.#packets) {
      if (this.#outdated.has(packet.topic)) continue
      await new Promise<void>((resolve) => target.write(packet, () => resolve()))
    }
  }
}
