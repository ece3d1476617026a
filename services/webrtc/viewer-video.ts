import type { Layer } from '#bus/messages.ts'
import type { Tally } from '#lib/tally.ts'
import type { Peer } from './peer.ts'
import type { Picture, PictureSink } from './video-feed.ts'
import type { VideoLayers, Watching } from './video-layers.ts'

/** What may wait in this process for one viewer's network, in bytes: a keyframe and a bit. More would only get old. */
const MAX_BACKLOG = 256 * 1024
/** A keyframe that was asked for and has not come is asked for again, in milliseconds. */
const ASK_AGAIN = 1_000
/** RTP ticks of video. RFC 6184 §8.2.1. */
const MILLISECOND = 90

/** The pictures that one viewer gets: which layer, and from which picture on. */
export class ViewerVideo implements PictureSink, Disposable {
  readonly #peer: Peer
  readonly #watching: Watching
  readonly #tally: Tally
  readonly #firstSent: () => void
  /** DTLS is up and the session is current. */
  #started = false
  #needsKeyframe = true
  #asked = Number.NEGATIVE_INFINITY

  /** Watching begins at once, so that the encoder is warm when {@link start} is called. */
  constructor(options: {
    peer: Peer
    layers: VideoLayers
    bitrate: number
    tally: Tally
    firstSent: () => void
  }) {
    this.#peer = options.peer
    this.#tally = options.tally
    this.#firstSent = options.firstSent
    // one layer for everybody: the place where congestion control will choose
    this.#watching = options.layers.watch('high', options.bitrate, this)
  }

  get layer(): Layer {
    return this.#watching.layer
  }

  /**
   * Sends from now on. A keyframe that came a moment ago, when the encoder began for this viewer, will not be repeated so
   * soon: it is sent with what followed it, the timestamps drawn together before the newest so that all is shown at once
   * and the viewer learns no delay from it. Otherwise a new keyframe is asked for.
   */
  start(): void {
    this.#started = true
    const recent = this.#watching.recent()
    const newest = recent.at(-1)?.timestamp ?? 0
    for (const [i, picture] of recent.entries()) {
      const timestamp = (newest - (recent.length - 1 - i) * MILLISECOND) >>> 0
      this.picture({ ...picture, timestamp })
    }
    if (this.#needsKeyframe) this.keyframeWanted()
  }

  keyframeWanted(): void {
    this.#asked = performance.now()
    this.#watching.requestKeyframe()
  }

  picture({ keyframe, payloads, timestamp, capturedAt }: Picture): void {
    if (!this.#started) return
    if (this.#needsKeyframe && !keyframe) {
      if (performance.now() - this.#asked > ASK_AGAIN) this.keyframeWanted()
      return
    }
    if (this.#peer.backlog > MAX_BACKLOG) {
      this.#tally.count('viewer too slow')
      this.#needsKeyframe = true
      return
    }
    this.#needsKeyframe = false
    if (this.#peer.video.packets === 0) this.#firstSent()
    this.#peer.video.send(payloads, timestamp, capturedAt)
  }

  interrupted(): void {
    this.#needsKeyframe = true
  }

  [Symbol.dispose](): void {
    this.#started = false
    this.#watching[Symbol.dispose]()
  }
}
