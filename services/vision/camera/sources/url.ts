import { existsSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { Input } from './input.ts'
import { createPacer, type Pacer } from './pacer.ts'
import type { Capture, CaptureOptions } from './source.ts'

/** A connection that is silent for this long is given up. Microseconds, as FFmpeg wants them. */
const TIMEOUT = String(5_000_000)

/** Little probing, and an end to waiting. An option that a protocol does not know is ignored. */
const NETWORK = { timeout: TIMEOUT, rw_timeout: TIMEOUT, analyzeduration: '1000000' }
/** What is read for probing is thrown away: the next pictures are newer. A recording would lose its beginning so. */
const LIVE = { ...NETWORK, fflags: 'nobuffer', rtsp_transport: 'tcp' }

function optionsFor(url: string): Record<string, string> {
  if (existsSync(url)) return {}
  return /^https?:/i.test(url) ? NETWORK : LIVE
}

/**
 * A file or stream that FFmpeg can open. A camera's pictures are passed on as they come; those of a recording and of HLS
 * wait until they are due. `loop`: what has an end begins again.
 */
export function captureUrl({ url, loop }: { url: string; loop: boolean }): Capture {
  return async (options) => {
    const { signal } = options
    const play = createPlayer(options)
    const file = existsSync(url)
    let more: boolean
    do {
      await using input = await Input.open(url, { signal, options: optionsFor(url) })
      if (!file && !input.early) return await passOn(input, options)
      more = await play(input)
    } while (more && loop && !signal.aborted)
  }
}

/** For sources that set their own pace. */
export async function passOn(input: Input, { signal, emit }: CaptureOptions): Promise<void> {
  while (!signal.aborted) {
    const next = await input.next()
    if (!next) return
    await emit(next.pixels)
  }
}

/** Plays an input to its end; the next one goes on where that was. Resolves with false when there was nothing in it. */
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
