import { BLOCK_SAMPLES, FULL_SCALE, SAMPLES_PER_MS } from './format.ts'

/** Largest value of a limited sample: -1 dBFS. */
const CEILING = FULL_SCALE * 10 ** (-1 / 20)
/** The gain is constant, or changes evenly, over parts of this many samples (1 ms). */
const PART_SAMPLES = SAMPLES_PER_MS
const PARTS = BLOCK_SAMPLES / PART_SAMPLES
/** Most by which the gain rises in a part after a peak: from -20 dB to 0 within 150 ms. */
const RELEASE = 10 ** (1 / 150)
/** The gate stays open for this long after the last loud block. */
const GATE_HOLD_BLOCKS = 15
/** Sound that is muted, or below the gate's threshold, fades within a block, and comes back within 5 ms. */
const FADE_OUT_PARTS = PARTS
const FADE_IN_PARTS = 5

interface LoudnessOptions {
  /** Factor; 1 changes nothing. */
  gain: number
  /** Blocks whose RMS after the gain is below this (dBFS) are silence; null: no gate. */
  gate: number | null
}

/** Amplifies, limits peaks to -1 dBFS without clipping, and silences what is below the noise gate. */
export class Loudness {
  readonly #gain: number
  readonly #gate: number | undefined
  /** Of the limiter, at the end of the last block. */
  #limit = 1
  /** 0 (closed) to 1. */
  #open = 1
  #hold = GATE_HOLD_BLOCKS
  readonly #needed = new Float64Array(PARTS)

  constructor({ gain, gate }: LoudnessOptions) {
    this.#gain = gain
    this.#gate = gate === null ? undefined : FULL_SCALE * 10 ** (gate / 20)
  }

  /** Changes the samples of a block in place. */
  apply(block: Int16Array, { muted }: { muted: boolean }): void {
    const target = muted || !this.#isLoud(block) ? 0 : 1
    if (this.#gain === 1 && target === 1 && this.#open === 1 && this.#limit === 1) return
    this.#measure(block)
    for (let part = 0; part < PARTS; part++) {
      const from = this.#gain * this.#limit * this.#open
      this.#limit = this.#nextLimit(part)
      this.#open =
        target === 1
          ? Math.min(1, this.#open + 1 / FADE_IN_PARTS)
          : Math.max(0, this.#open - 1 / FADE_OUT_PARTS)
      scale(block, part * PART_SAMPLES, from, this.#gain * this.#limit * this.#open)
    }
  }

  /** The factor that each part needs so that it does not exceed the ceiling. */
  #measure(block: Int16Array): void {
    for (let part = 0; part < PARTS; part++) {
      let peak = 0
      for (let i = part * PART_SAMPLES; i < (part + 1) * PART_SAMPLES; i++) {
        peak = Math.max(peak, Math.abs(block[i] ?? 0))
      }
      this.#needed[part] = Math.min(1, CEILING / Math.max(1, peak * this.#gain))
    }
    // the factor at the end of the last block was chosen without this one
    this.#limit = Math.min(this.#limit, this.#needed[0] ?? 1)
  }

  /** The factor at the end of this part: what it and the next one need. */
  #nextLimit(part: number): number {
    const needed = Math.min(this.#needed[part] ?? 1, this.#needed[part + 1] ?? 1)
    return Math.min(needed, this.#limit * RELEASE)
  }

  #isLoud(block: Int16Array): boolean {
    if (this.#gate === undefined) return true
    let sum = 0
    for (const sample of block) sum += sample * sample
    const loud = Math.sqrt(sum / block.length) * this.#gain >= this.#gate
    this.#hold = loud ? GATE_HOLD_BLOCKS : Math.max(0, this.#hold - 1)
    return this.#hold > 0
  }
}

/** Multiplies a part by a factor that changes evenly. */
function scale(block: Int16Array, start: number, from: number, to: number): void {
  for (let i = 0; i < PART_SAMPLES; i++) {
    const factor = from + ((to - from) * i) / PART_SAMPLES
    block[start + i] = Math.round((block[start + i] ?? 0) * factor)
  }
}
