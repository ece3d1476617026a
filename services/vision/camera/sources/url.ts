import { existsSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { Input } from './input.ts'
import { createPacer, type Pacer } from './pacer.ts'
import type { Capture, CaptureOptions } from './source.ts'

/** A connection without data for this long ends. */
const NETWORK_TIMEOUT_US = String(5_000_000)

/** Short probing, bounded waits. FFmpeg ignores options that a protocol does not have. */
const NETWORK = { timeout: NETWORK_TIMEOUT_US, rw_timeout: NETWORK_TIMEOUT_US, analyzeduration: '1000000' }
/** Discards what was read for probing: the next frames are newer. A recording would lose its beginning. */
const LIVE = { ...NETWORK, fflags: 'nobuffer', rtsp_transport: 'tcp' }

function optionsFor(url: string): Record<string, string> {
  if (existsSync(url)) return {}
  return /^https?:/i.test(url) ? NETWORK : LIVE
}

/**
 * A file or stream that FFmpeg can open. Frames of a camera are passed on as they arrive; those of a recording and of HLS
 * when they are due. `loop` restarts a recording at its end.
 */
export function captureUrl({ url, loop }: { url: string; loop: boolean }): Capture {
  return async (options) => {
    const { signal } = options
    const play = createPlayer(options)
    const file = existsSync(url)
    let more: boolean
    do {
      await using input = await Input.open(url, { signal, options: optionsFor(url) })
      if (!file && !input.needsPacing) return await passOn(input, options)
      more = await play(input)
    } while (more && loop && !signal.aborted)
  }
}

/** Passes frames on as they arrive. */
export async function passOn(input: Input, { signal, emit }: CaptureOptions): Promise<void> {
  while (!signal.aborted) {
    const next = await input.next()
    if (!next) return
    await emit(next.pixels)
  }
}

/** Plays inputs one after the other without a gap. Resolves with false when an input had no frames. */
function createPlayer({ signal, emit }: CaptureOptions): (input: Input) => Promise<boolean> {
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
