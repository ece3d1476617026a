import type { CandidatePair, Connection } from 'werift'

/** Counts what arrives from a viewer, over all the ways that its connection takes in turn. It never falls. */
export function createHeard(connection: Connection): () => number {
  let current: CandidatePair | undefined
  let before = 0
  let now = 0
  return () => {
    const pair = connection.nominated
    if (!pair) return before + now
    // werift 0.25.2 keeps the id of every request for ever, only to tell repetitions apart in its statistics
    const { requestTransactionIds } = pair as unknown as { requestTransactionIds: Set<string> }
    requestTransactionIds.clear()
    if (pair !== current) {
      before += now
      current = pair
    }
    now = pair.packetsReceived + pair.requestsReceived + pair.responsesReceived
    return before + now
  }
}
