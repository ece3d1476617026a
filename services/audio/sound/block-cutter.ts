import { BLOCK_SAMPLES, SAMPLES_PER_MS } from './format.ts'

/** A larger difference to the expected capture time is a gap: the incomplete block is discarded. */
const MAX_DEVIATION_MS = 10
/** Older samples are discarded, not sent late. */
const MAX_AGE_MS = 200

interface BlockCutterOptions {
  /** A block, valid during the call, and the capture time of its first sample (`performance.now()`). */
  onBlock(block: Int16Array, at: number): void
  /** So many ms were discarded. */
  onDropped(cause: 'too late' | 'gap', ms: number): void
  now?: () => number
}

/** Cuts samples into blocks of one Opus packet. */
export class BlockCutter {
  readonly #options: BlockCutterOptions
  readonly #block = new Int16Array(BLOCK_SAMPLES)
  #filled = 0
  /** Capture time of the first sample of the block. */
  #at = 0

  constructor(options: BlockCutterOptions) {
    this.#options = options
  }

  /** `at`: capture time of the first sample. */
  add(samples: Int16Array, at: number): void {
    const now = this.#options.now?.() ?? performance.now()
    const deviation = at - (this.#at + this.#filled / SAMPLES_PER_MS)
    if (this.#filled > 0 && Math.abs(deviation) > MAX_DEVIATION_MS) this.reset()
    for (let from = 0; from < samples.length; ) {
      if (this.#filled === 0) this.#at = at + from / SAMPLES_PER_MS
      const part = samples.subarray(from, from + BLOCK_SAMPLES - this.#filled)
      this.#block.set(part, this.#filled)
      this.#filled += part.length
      from += part.length
      if (this.#filled === BLOCK_SAMPLES) this.#complete(now)
    }
  }

  /** Discards an incomplete block. */
  reset(): void {
    if (this.#filled > 0) this.#options.onDropped('gap', this.#filled / SAMPLES_PER_MS)
    this.#filled = 0
  }

  #complete(now: number): void {
    this.#filled = 0
    const blockMs = BLOCK_SAMPLES / SAMPLES_PER_MS
    if (now - this.#at - blockMs > MAX_AGE_MS) this.#options.onDropped('too late', blockMs)
    else this.#options.onBlock(this.#block, this.#at)
  }
}
