import { UnavailableError } from '#lib/unavailable-error.ts'
import { DEFAULT_MAX_PIXELS } from './source.ts'

/** Of an uncompressed frame with alpha; a compressed one is much smaller. */
const BYTES_PER_PIXEL = 4

/**
 * Bounds the bytes that a source sends without completing a frame. Demuxers and parsers keep a frame that never ends, FFmpeg's
 * up to 2 GiB.
 */
export class UnframedBytes {
  readonly #max: number
  readonly #exceeded = new AbortController()
  #bytes = 0

  constructor(maxPixels = DEFAULT_MAX_PIXELS) {
    this.#max = BYTES_PER_PIXEL * maxPixels
  }

  /** Aborted beyond the bound, with an {@link UnavailableError}. */
  get signal(): AbortSignal {
    return this.#exceeded.signal
  }

  /** So many bytes have arrived. */
  arrived(bytes: number): void {
    this.#bytes += bytes
    if (this.#bytes <= this.#max || this.signal.aborted) return
    const size = Math.floor(this.#max / 2 ** 20)
    this.#exceeded.abort(new UnavailableError(`cannot read: no complete frame in ${size} MiB`))
  }

  /** A frame is complete. */
  completed(): void {
    this.#bytes = 0
  }
}
