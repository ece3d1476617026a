import type { z } from 'zod'
import type { AudioLevel } from '#bus/messages.ts'
import { BLOCK_MS, FULL_SCALE } from './format.ts'

type Level = z.infer<typeof AudioLevel>

const INTERVAL_MS = 250
const BLOCKS = Math.round(INTERVAL_MS / BLOCK_MS)
/** Of digital silence; 16 bits have no lower level. */
const FLOOR_DBFS = -96

/** Measures the loudness of blocks, four times a second. */
export class LevelMeter {
  readonly #onLevel: (level: Level) => void
  #sum = 0
  #peak = 0
  #count = 0
  #blocks = 0

  constructor(onLevel: (level: Level) => void) {
    this.#onLevel = onLevel
  }

  add(block: Int16Array): void {
    for (const sample of block) {
      this.#sum += sample * sample
      this.#peak = Math.max(this.#peak, Math.abs(sample))
    }
    this.#count += block.length
    if (++this.#blocks < BLOCKS) return
    this.#onLevel({
      rms_dbfs: toDbfs(Math.sqrt(this.#sum / this.#count)),
      peak_dbfs: toDbfs(this.#peak),
    })
    this.#sum = this.#peak = this.#count = this.#blocks = 0
  }
}

/** With one decimal. */
export function toDbfs(amplitude: number): number {
  if (amplitude <= 0) return FLOOR_DBFS
  return Math.max(FLOOR_DBFS, Math.round(200 * Math.log10(amplitude / FULL_SCALE)) / 10)
}
