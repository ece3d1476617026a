import { UnavailableError } from '../unavailable-error.ts'

/**
 * Bounds the bytes that a source sends without completing a frame of video or sound. Demuxers and parsers keep a frame that
 * never ends, FFmpeg's up to 2 GiB.
 */
export class UnframedBytes {
  readonly #max: number
  readonly #exceeded = new AbortController()
  #bytes = 0

  constructor(max: number) {
    this.#max = max
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
