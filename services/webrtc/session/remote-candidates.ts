import { MAX_CANDIDATES, type Peer } from '../peer/peer.ts'

export interface RemoteCandidate {
  candidate?: unknown
  usernameFragment?: unknown
}

/** The viewer's candidates: kept until there is an answer to which they belong, and never more of them than 64. */
export class RemoteCandidates {
  readonly #peer: Peer
  #waiting: RemoteCandidate[] = []
  #open = false
  /** How many came for this offer. */
  count = 0

  constructor(peer: Peer) {
    this.#peer = peer
  }

  add(candidate: RemoteCandidate): void {
    if (++this.count > MAX_CANDIDATES) return
    if (this.#open) this.#peer.addCandidate(candidate.candidate, candidate.usernameFragment)
    else this.#waiting.push(candidate)
  }

  /** The answer has been applied. */
  release(): void {
    this.#open = true
    for (const { candidate, usernameFragment } of this.#waiting.splice(0)) {
      this.#peer.addCandidate(candidate, usernameFragment)
    }
  }

  /** Another answer is to come. */
  hold(): void {
    this.#open = false
    this.count = 0
  }
}
