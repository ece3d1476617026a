import { setTimeout as sleep } from 'node:timers/promises'
import { createPacer } from '#lib/media/pacer.ts'
import { toEpoch } from '#lib/media/wall-clock.ts'
import { BLOCK_MS, BLOCK_SAMPLES, FULL_SCALE, SAMPLES_PER_MS } from '../../sound/format.ts'
import type { CaptureOptions } from './source.ts'

/** The click: a tone of this frequency (Hz) and length (ms), at half of full scale. */
const TONE_HZ = 1_000
const CLICK_MS = 20

/** A click at the beginning of each second of the wall clock, which is the clock in the synthetic picture. */
export function captureSynthetic(options: CaptureOptions): Promise<void> {
  return captureBlocks(options, (block, at) => {
    const time = toEpoch(at)
    for (let i = 0; i < block.length; i++) {
      const sinceClick = (time + i / SAMPLES_PER_MS) % 1_000
      block[i] = sinceClick < CLICK_MS ? tone(sinceClick) : 0
    }
  })
}

/** Digital silence, for modes that do not hear. */
export function captureSilence(options: CaptureOptions): Promise<void> {
  return captureBlocks(options, (block) => block.fill(0))
}

function tone(ms: number): number {
  return Math.round(0.5 * FULL_SCALE * Math.sin((2 * Math.PI * TONE_HZ * ms) / 1_000))
}

/** Fills a block each 20 ms; the time of a block is when its first sample is due. */
async function captureBlocks(
  { signal, emit }: CaptureOptions,
  fill: (block: Int16Array, at: number) => void,
): Promise<void> {
  const block = new Int16Array(BLOCK_SAMPLES)
  let origin = performance.now()
  const pacer = createPacer(origin)
  for (let index = 0; !signal.aborted; index++) {
    // a block is complete, and so published, when its last sample is due
    await sleep(pacer.until((index + 1) * BLOCK_MS), undefined, { signal }).catch(() => {})
    if (signal.aborted) return
    // the pacer skips lost time
    const late = performance.now() - origin - (index + 1) * BLOCK_MS
    if (late > 500) origin += late
    const at = origin + index * BLOCK_MS
    fill(block, at)
    emit(block, at)
  }
}
