import { Readable } from 'node:stream'
import type { Aedes } from 'aedes'

type Retained = { createRetainedStreamCombi(filters: string[]): Readable }

/** Aedes sends retained `$SYS` messages to who subscribes to `#`, against [MQTT-4.7.2-1]; not with this. */
export function keepSystemTopicsApart(aedes: Aedes): void {
  const { persistence } = aedes as Aedes & { persistence: Retained }
  const open = persistence.createRetainedStreamCombi.bind(persistence)
  persistence.createRetainedStreamCombi = (filters) => {
    const [wide, narrow] = [filters.filter(isWide), filters.filter((filter) => !isWide(filter))]
    return wide.length === 0 ? open(narrow) : Readable.from(inTurn(open(wide), open(narrow)))
  }
}

async function* inTurn(wide: Readable, narrow: Readable) {
  for await (const packet of wide) if (!packet.topic.startsWith('$')) yield packet
  yield* narrow
}

function isWide(filter: string): boolean {
  return /^[+#]/.test(filter)
}
