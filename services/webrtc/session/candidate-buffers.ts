import { type LocalCandidate, MAX_CANDIDATES, type Peer } from '../peer/peer.ts'
import type { SignalingPublisher } from './signaling-publisher.ts'

/** Publishes local candidates after the offer (RFC 8838 §4), without those that it contains. */
export class LocalCandidates {
  readonly #signaling: SignalingPublisher
  #offer: string | undefined
  #pending: LocalCandidate[] = []

  constructor(signaling: SignalingPublisher) {
    this.#signaling = signaling
  }

  add(candidate: LocalCandidate): void {
    if (!this.#offer) this.#pending.push(candidate)
    else if (!this.#offer.includes(candidate.candidate)) this.#signaling.candidate(candidate)
  }

  /** This offer has been published. */
  release(offer: string): void {
    this.#offer = offer
    for (const candidate of this.#pending.splice(0)) this.add(candidate)
  }

  /** A new offer will follow. */
  hold(): void {
    this.#offer = undefined
  }
}

/** A candidate as it came over the relay. */
export interface ReceivedCandidate {
  candidate?: unknown
  usernameFragment?: unknown
}

/** Buffers remote candidates until their answer is applied; 64 at most. */
export class RemoteCandidates {
  readonly #peer: Peer
  #pending: ReceivedCandidate[] = []
  #open = false
  /** Number of candidates received for the current offer. */
  count = 0

  constructor(peer: Peer) {
    this.#peer = peer
  }

  add(candidate: ReceivedCandidate): void {
    if (++this.count > MAX_CANDIDATES) return
    if (this.#open) this.#peer.addCandidate(candidate.candidate, candidate.usernameFragment)
    else this.#pending.push(candidate)
  }

  /** The answer has been applied. */
  release(): void {
    this.#open = true
    for (const { candidate, usernameFragment } of this.#pending.splice(0)) {
      this.#peer.addCandidate(candidate, usernameFragment)
    }
  }

  /** A new answer will follow. */
  hold(): void {
    this.#open = false
    this.count = 0
  }
}
