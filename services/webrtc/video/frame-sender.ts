import type { EventCounter } from '#lib/metrics/event-counter.ts'
import { Pacer } from '../congestion/pacer.ts'
import type { Peer } from '../peer/peer.ts'
import { TimestampRebaser } from '../rtp/timestamp-rebaser.ts'
import type { PacketizedFrame } from './layer-feed.ts'

interface FrameSenderOptions {
  peer: Peer
  discarded: EventCounter
  onFirstFrame: () => void
  /** The last packet of a frame is sent; `capturedAt` in ms since the epoch. */
  onSent: (bytes: number, capturedAt: number) => void
  /** A frame was dropped: the next ones cannot be decoded before a keyframe. */
  onDropped: () => void
}

/** Data in our send buffers for one viewer: this many ms of its rate, but at least this many bytes. */
const MAX_BACKLOG_MS = 500
const MIN_BACKLOG_BYTES = 60_000
/** RTP ticks per ms of video. RFC 6184 §8.2.1. */
const TICKS_PER_MS = 90

/** Sends the frames of any layer to one viewer: paced, with increasing timestamps. */
export class FrameSender implements Disposable {
  readonly #options: FrameSenderOptions
  readonly #timestamps = new TimestampRebaser()
  readonly #pacer: Pacer
  #lastTimestamp: number | undefined

  constructor(options: FrameSenderOptions) {
    this.#options = options
    const { peer, discarded, onDropped } = options
    this.#pacer = new Pacer({
      rate: () => peer.congestion.estimator.target,
      congested: () => peer.congestion.estimator.congested,
      onDropped() {
        discarded.count('frame waited too long')
        onDropped()
      },
    })
  }

  send({ payloads, timestamp, capturedAt }: PacketizedFrame): void {
    const { peer, discarded, onFirstFrame, onSent, onDropped } = this.#options
    const { target } = peer.congestion.estimator
    if (peer.backlog > Math.max(MIN_BACKLOG_BYTES, (target * MAX_BACKLOG_MS) / 8_000)) {
      discarded.count('viewer too slow')
      onDropped()
      return
    }
    if (peer.video.packets === 0) onFirstFrame()
    const rebased = this.#rebase(timestamp, capturedAt)
    const size = payloads.reduce((sum, { length }) => sum + length, 0)
    this.#pacer.add({
      payloads,
      send(from, to) {
        const endsFrame = to === payloads.length
        peer.video.send({ payloads: payloads.slice(from, to), timestamp: rebased, endsFrame, capturedAt })
        if (endsFrame) onSent(size, capturedAt)
      },
    })
  }

  [Symbol.dispose](): void {
    this.#pacer[Symbol.dispose]()
  }

  /** Two layers may contain the same moment: the second frame follows one ms later. */
  #rebase(timestamp: number, capturedAt: number): number {
    const rebased = this.#timestamps.rebase(timestamp, capturedAt)
    const last = this.#lastTimestamp
    const follows = last === undefined || ((rebased - last) | 0) > 0
    this.#lastTimestamp = follows ? rebased : (last + TICKS_PER_MS) >>> 0
    return this.#lastTimestamp
  }
}
