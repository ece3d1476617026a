import { setTimeout as sleep } from 'node:timers/promises'
import { createPacer, type Pacer } from '#lib/media/pacer.ts'
import type { Input } from './input.ts'
import type { CaptureOptions } from './source.ts'

/** FFmpeg's demuxers for recordings and streams: none that opens other addresses, and none that draws text. */
export const RECORDINGS = 'mov,mp4,matroska,webm,avi,mpegts,mpeg,flv,h264,hevc,mjpeg,m4v,ogg,ivf'

/** Passes frames on as they arrive. */
export async function passOn(input: Input, { signal, emit }: CaptureOptions): Promise<void> {
  while (!signal.aborted) {
    const next = await input.next()
    if (!next) return
    await emit(next.pixels)
  }
}

/** Plays inputs one after the other without a gap. Resolves with false when an input had no frames. */
export function createPlayer({ signal, emit }: CaptureOptions): (input: Input) => Promise<boolean> {
  let pacer: Pacer | undefined
  let played = 0
  return async (input) => {
    let begin: number | undefined
    let end = 0
    while (!signal.aborted) {
      const next = await input.next()
      if (!next) break
      pacer ??= createPacer(performance.now())
      begin ??= next.position
      const position = next.position - begin
      end = position + next.duration
      await sleep(pacer.until(played + position), undefined, { signal }).catch(() => {})
      if (signal.aborted) next.pixels.free()
      else await emit(next.pixels)
    }
    played += end
    return end > 0
  }
}
