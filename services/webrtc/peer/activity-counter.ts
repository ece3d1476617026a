import type { CandidatePair, Connection } from 'werift'

/** Private members of werift's ICE connection (0.25.2); the pairs are those of the current generation. */
interface Internals {
  checkList: CandidatePair[]
}

/**
 * Counts the packets that arrive from a viewer on any candidate pair: Chromium may send on another pair than the
 * nominated one, and werift counts packets on that one only. The count never decreases.
 */
export function createActivityCounter(connection: Connection): () => number {
  let received = 0
  const counted = new WeakMap<CandidatePair, number>()
  connection.onData.subscribe(() => {
    received++
  })
  return () => {
    for (const pair of (connection as unknown as Internals).checkList) {
      // werift keeps the id of every request forever, only for its statistics of retransmissions
      const { requestTransactionIds } = pair as unknown as { requestTransactionIds: Set<string> }
      requestTransactionIds.clear()
      const now = pair.requestsReceived + pair.responsesReceived
      received += now - (counted.get(pair) ?? 0)
      counted.set(pair, now)
    }
    return received
  }
}
