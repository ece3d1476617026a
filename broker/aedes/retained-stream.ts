import { Readable, type Writable } from 'node:stream'
import type { Aedes, PublishPacket } from 'aedes'

interface Retained {
  createRetainedStreamCombi(filters: string[]): Readable
  storeRetained(packet: PublishPacket): PromiseLike<void>
}

/**
 * Mends three things about retained messages in Aedes: it sends those of `$SYS` for `#`, against [MQTT-4.7.2-1]; one that
 * was said anew meanwhile it sends to a new subscriber after the new one, so that the old one would stand; and while it
 * stores one, the next message of QoS 0 overtakes it, whereupon it takes the retained one for a duplicate.
 */
export function mendRetained(aedes: Aedes): void {
  const { persistence } = aedes as Aedes & { persistence: Retained }
  const open = persistence.createRetainedStreamCombi.bind(persistence)
  const store = persistence.storeRetained.bind(persistence)
  const answers = new Set<RetainedAnswer>()
  persistence.storeRetained = (packet) => {
    for (const answer of answers) answer.outdate(packet.topic)
    store(packet)
    return STORED
  }
  persistence.createRetainedStreamCombi = (filters) => {
    const [wide, narrow] = [filters.filter(isWide), filters.filter((filter) => !isWide(filter))]
    const packets = wide.length === 0 ? open(narrow) : Readable.from(inTurn(open(wide), open(narrow)))
    const answer = new RetainedAnswer(packets)
    answers.add(answer)
    answer.once('close', () => answers.delete(answer))
    return answer
  }
}

/** In memory it is stored when the call returns; a promise would tell that later than the next packet comes. */
const STORED: PromiseLike<void> = {
  // biome-ignore lint/suspicious/noThenProperty: Aedes asks for a promise and calls no more than this
  then(done) {
    done?.()
    return this as never
  },
}

async function* inTurn(wide: Readable, narrow: Readable) {
  for await (const packet of wide) if (!packet.topic.startsWith('$')) yield packet
  yield* narrow
}

function isWide(filter: string): boolean {
  return /^[+#]/.test(filter)
}

/** The retained messages for one SUBSCRIBE. Its subscriptions are live already, so what is said meanwhile comes that way. */
class RetainedAnswer extends Readable {
  readonly #packets: Readable
  readonly #outdated = new Set<string>()

  constructor(packets: Readable) {
    super({ objectMode: true })
    this.#packets = packets
  }

  /** This topic was said anew. */
  outdate(topic: string): void {
    this.#outdated.add(topic)
  }

  /** One by one: whether a message is still true can only be asked when it is its turn, not while it waits in a buffer. */
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
