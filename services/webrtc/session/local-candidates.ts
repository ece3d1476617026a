import type { LocalCandidate } from '../peer/peer.ts'
import type { SessionMail } from './signaling-publisher.ts'

/** Our candidates follow the offer, they never lead it (RFC 8838 §4), and those in it are not said twice. */
export class OurCandidates {
  readonly #mail: SessionMail
  #offer: string | undefined
  #waiting: LocalCandidate[] = []

  constructor(mail: SessionMail) {
    this.#mail = mail
  }

  add(candidate: LocalCandidate): void {
    if (!this.#offer) this.#waiting.push(candidate)
    else if (!this.#offer.includes(candidate.candidate)) this.#mail.candidate(candidate)
  }

  /** This offer is out. */
  follow(offer: string): void {
    this.#offer = offer
    for (const candidate of this.#waiting.splice(0)) this.add(candidate)
  }

  /** Another offer is to come. */
  hold(): void {
    this.#offer = undefined
  }
}
