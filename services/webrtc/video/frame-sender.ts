import type { EventCounter } from '#lib/metrics/event-counter.ts'
import { Pacer } from '../congestion/pacer.ts'
import type { Peer } from '../peer/peer.ts'
import { createTimeline } from '../rtp/timestamp-rebaser.ts'
import type { Picture } from './video-feed.ts'

interface PictureOutOptions {
  peer: Peer
  tally: EventCounter
  firstSent: () => void
  /** The last packet of a picture has left. */
  sent: (bytes: number, capturedAt: number) => void
  /** A picture was left out: what follows makes no sense before the next keyframe. */
  broken: () => void
}

/** What may wait in this process for one viewer's network: so much time of its rate, ms, but this many bytes at least. */
const BACKLOG = 500
const LEAST_BACKLOG = 60_000
/** RTP ticks of a millisecond of video. RFC 6184 §8.2.1. */
const MILLISECOND = 90

/** Takes pictures of whatever layer to one viewer: paced, with timestamps that only ever grow. */
export class PictureOut implements Disposable {
  readonly #options: PictureOutOptions
  readonly #timeline = createTimeline()
  readonly #pacer: Pacer
  #last: number | undefined

  constructor(options: PictureOutOptions) {
    this.#options = options
    const { peer, tally, broken } = options
    this.#pacer = new Pacer({
      rate: () => peer.link.estimator.target,
      congested: () => peer.link.estimator.congested,
      dropped() {
        tally.count('picture waited too long')
        broken()
      },
    })
  }

  picture({ payloads, timestamp, capturedAt }: Picture): void {
    const { peer, tally, firstSent, sent, broken } = this.#options
    const most = Math.max(LEAST_BACKLOG, (peer.link.estimator.target * BACKLOG) / 8_000)
    if (peer.backlog > most) {
      tally.count('viewer too slow')
      broken()
      return
    }
    if (peer.video.packets === 0) firstSent()
    const placed = this.#place(timestamp, capturedAt)
    const size = payloads.reduce((sum, { length }) => sum + length, 0)
    this.#pacer.add({
      payloads,
      send(index) {
        const payload = payloads[index]
        const marker = index === payloads.length - 1
        if (payload) peer.video.send({ payload, timestamp: placed, marker, at: capturedAt })
        if (marker) sent(size, capturedAt)
      },
    })
  }

  [Symbol.dispose](): void {
    this.#pacer[Symbol.dispose]()
  }

  /** Two layers may hold the same moment. */
  #place(timestamp: number, capturedAt: number): number {
    let placed = this.#timeline.place(timestamp, capturedAt)
    if (this.#last !== undefined && ((placed - this.#last) | 0) <= 0)
      placed = (this.#last + MILLISECOND) >>> 0
    this.#last = placed
    return placed
  }
}
