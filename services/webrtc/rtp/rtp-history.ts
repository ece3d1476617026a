/** A media packet that may be wanted again. */
export interface SentMedia {
  sequence: number
  timestamp: number
  marker: boolean
  payload: Buffer
}

/** About three seconds of video at its best; a power of two. The payloads are shared by all viewers. */
const KEPT = 512
/** A packet is not sent again sooner than this, in ms: the request was made before the repetition could arrive. */
const AGAIN_AFTER = 30
const MOST_REPEATS = 6

interface Kept extends SentMedia {
  repeats: number
  repeatedAt: number
}

/** The last media packets of one track, for those that the viewer misses. RFC 4585 §6.2.1. */
export class RtpHistory {
  readonly #ring: (Kept | undefined)[] = Array.from({ length: KEPT })
  #newest: number | undefined

  add(media: SentMedia): void {
    this.#newest = media.sequence
    this.#ring[media.sequence % KEPT] = { ...media, repeats: 0, repeatedAt: Number.NEGATIVE_INFINITY }
  }

  /** The packet of this number if it may be sent again at `now` (ms). */
  repeat(sequence: number, now: number): SentMedia | undefined {
    const kept = this.#ring[sequence % KEPT]
    if (kept?.sequence !== sequence || kept.repeats >= MOST_REPEATS) return undefined
    if (now - kept.repeatedAt < AGAIN_AFTER) return undefined
    kept.repeats++
    kept.repeatedAt = now
    return kept
  }

  /** The largest of the last packets. */
  filling(): SentMedia | undefined {
    let largest: Kept | undefined
    for (let back = 0; this.#newest !== undefined && back < KEPT / 2; back++) {
      const kept = this.#ring[(this.#newest - back + 0x10000) % KEPT]
      if (kept && kept.payload.length > (largest?.payload.length ?? 0)) largest = kept
    }
    return largest
  }
}
