import { SAMPLES_PER_MS } from '../sound/format.ts'

/** A larger delay of a chunk is a gap in the recording. */
const GAP_MS = 200
/** The clocks of sound cards differ by up to this from ours, ms for each ms. */
const MAX_DRIFT = 0.0005

/**
 * Capture times of samples that arrive in chunks: a chunk is complete when it arrives, and may arrive late, never early. The
 * earliest arrival counts, so that a delayed chunk gets no later capture time, and packets are exactly 20 ms apart.
 */
export class SampleClock {
  /** Time of sample 0; follows the drift between the two clocks. */
  #origin: number | undefined
  #samples = 0

  /** Capture time of the first of `count` samples that have arrived at `now` (ms). */
  place(count: number, now: number): number {
    const begin = this.#samples / SAMPLES_PER_MS
    this.#samples += count
    const latest = now - this.#samples / SAMPLES_PER_MS
    const drifted = (this.#origin ?? latest) + (count / SAMPLES_PER_MS) * MAX_DRIFT
    this.#origin = latest - drifted > GAP_MS ? latest : Math.min(drifted, latest)
    return this.#origin + begin
  }
}
