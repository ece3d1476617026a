import type { CandidatePair, Connection } from 'werift'

/** Of werift 0.25.2; the pairs are those of the present generation. */
interface Insides {
  checkList: CandidatePair[]
}

/**
 * Counts what arrives from a viewer, on whichever way: Chromium may send on another pair than the one that we have
 * nominated, and werift counts packets for that one only. It never falls.
 */
export function createHeard(connection: Connection): () => number {
  let heard = 0
  const counted = new WeakMap<CandidatePair, number>()
  connection.onData.subscribe(() => {
    heard++
  })
  return () => {
    for (const pair of (connection as unknown as Insides).checkList) {
      // werift keeps the id of every request for ever, only to tell repetitions apart in its statistics
      const { requestTransactionIds } = pair as unknown as { requestTransactionIds: Set<string> }
      requestTransactionIds.clear()
      const now = pair.requestsReceived + pair.responsesReceived
      heard += now - (counted.get(pair) ?? 0)
      counted.set(pair, now)
    }
    return heard
  }
}
