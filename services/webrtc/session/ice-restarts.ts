import type { Logger } from '#lib/logger.ts'
import { checkAnswer } from '../peer/answer.ts'
import type { Peer } from '../peer/peer.ts'
import type { LocalCandidates, RemoteCandidates } from './candidate-buffers.ts'
import type { SignalingPublisher } from './signaling-publisher.ts'

interface IceRestartsDeps {
  peer: Peer
  signaling: SignalingPublisher
  log: Logger
  localCandidates: LocalCandidates
  remoteCandidates: RemoteCandidates
  isClosed: () => boolean
  /** At most one restart per disconnection: minimum interval in ms. */
  minInterval: number
}

/** The ICE restarts of one session. The connection stays as it is until a restart offer is answered. */
export class IceRestarts {
  /** A restart offer is being made or awaits its answer. */
  pending = false
  readonly #deps: IceRestartsDeps
  #lastStart = Number.NEGATIVE_INFINITY

  constructor(deps: IceRestartsDeps) {
    this.#deps = deps
  }

  viewerSilent(): void {
    if (this.pending || performance.now() - this.#lastStart < this.#deps.minInterval) return
    void this.offer('viewer silent')
  }

  /** Never rejects. */
  async offer(cause: string): Promise<void> {
    const { peer, signaling, log, localCandidates, remoteCandidates, isClosed } = this.#deps
    try {
      this.pending = true
      this.#lastStart = performance.now()
      remoteCandidates.hold()
      localCandidates.hold()
      const sdp = await peer.restartOffer()
      if (isClosed()) return
      log.info({ cause }, 'ICE restart offered')
      signaling.offer(sdp)
      localCandidates.release(sdp)
    } catch (err) {
      log.warn({ err }, 'ICE restart failed')
    }
  }

  /**
   * A restart of a viewer that offers: applies its credentials at once. Returns our own restart offer, whose values answer it;
   * undefined when it is no restart. Throws when it is malformed.
   */
  async accept(sdp: string): Promise<string | undefined> {
    const { peer, log, localCandidates, remoteCandidates, isClosed } = this.#deps
    remoteCandidates.hold()
    localCandidates.hold()
    const own = await peer.restartOffer()
    const accepted = !isClosed() && peer.acceptRestart(sdp)
    remoteCandidates.release()
    if (!accepted) return undefined
    log.info('ICE restart of the viewer answered')
    return own
  }

  /** An answer about something else, or an unusable one, changes nothing: the old candidate pair may still recover. */
  answer(sdp: string): void {
    const { peer, log, remoteCandidates } = this.#deps
    try {
      checkAnswer(sdp)
      if (!peer.acceptRestart(sdp)) return
    } catch (err) {
      log.info({ err }, 'unusable answer to the ICE restart')
      return
    }
    this.pending = false
    log.info('ICE restart answered')
    remoteCandidates.release()
  }
}
