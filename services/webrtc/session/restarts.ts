import type { Logger } from '#lib/logger.ts'
import type { Peer } from '../peer/peer.ts'
import type { OurCandidates } from './local-candidates.ts'
import type { RemoteCandidates } from './remote-candidates.ts'
import type { SessionMail } from './signaling-publisher.ts'

interface RestartsDeps {
  peer: Peer
  mail: SessionMail
  log: Logger
  ours: OurCandidates
  theirs: RemoteCandidates
  /** The session has ended. */
  over: () => boolean
  /** Milliseconds: one disconnection is worth one restart. */
  pause: number
}

/** The ICE restarts of one session: offers of another way, while the connection lives on as it is until one is answered. */
export class Restarts {
  /** An offer is out, or about to be. */
  pending = false
  readonly #deps: RestartsDeps
  #begun = Number.NEGATIVE_INFINITY

  constructor(deps: RestartsDeps) {
    this.#deps = deps
  }

  /** The viewer is not heard. */
  silent(): void {
    if (this.pending || performance.now() - this.#begun < this.#deps.pause) return
    void this.offer('viewer not heard')
  }

  /** Never rejects. */
  async offer(why: string): Promise<void> {
    const { peer, mail, log, ours, theirs, over } = this.#deps
    try {
      this.pending = true
      this.#begun = performance.now()
      theirs.hold()
      ours.hold()
      const sdp = await peer.restartOffer()
      if (over()) return
      log.info({ why }, 'ICE restart offered')
      mail.offer(sdp)
      ours.follow(sdp)
    } catch (err) {
      log.warn({ err }, 'no ICE restart')
    }
  }

  /** An answer that is about something else, or of no use, changes nothing: the old way may still come back. */
  answer(sdp: string): void {
    const { peer, log, theirs } = this.#deps
    try {
      if (!peer.acceptRestart(sdp)) return
    } catch (err) {
      log.info({ err }, 'answer to the ICE restart is of no use')
      return
    }
    this.pending = false
    log.info('ICE restarts')
    theirs.release()
  }
}
