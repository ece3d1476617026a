import { existsSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { Input } from './input.ts'
import { createPacer } from './pacer.ts'
import type { Capture, CaptureOptions } from './source.ts'

/** A connection that is silent for this long is given up. Microseconds, as FFmpeg wants them. */
const TIMEOUT = String(5_000_000)

/** Live streams: no buffering, little probing. An option that a protocol does not know is ignored. */
const LIVE_OPTIONS = {
  fflags: 'nobuffer',
  rtsp_transport: 'tcp',
  timeout: TIMEOUT,
  rw_timeout: TIMEOUT,
  analyzeduration: '1000000',
}

/** A file, paced by its own timestamps, or any URL that FFmpeg can open, as fast as its pictures come. */
export function captureUrl({ url, loop }: { url: string; loop: boolean }): Capture {
  return async (options) => {
    const file = existsSync(url)
    await using input = await Input.open(url, {
      signal: options.signal,
      options: file ? {} : LIVE_OPTIONS,
    })
    if (file) await playFile(input, loop, options)
    else await passOn(input, options)
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

async function playFile(input: Input, loop: boolean, { signal, emit }: CaptureOptions): Promise<void> {
  const pacer = createPacer(performance.now())
  let played = 0
  do {
    const length = await playOnce(input, played)
    if (length === 0) return
    played += length
    if (loop && !signal.aborted) await input.rewind()
  } while (loop && !signal.aborted)

  /** Returns how long it was, in milliseconds. */
  async function playOnce(source: Input, offset: number): Promise<number> {
    let begin: number | undefined
    let end = 0
    for (;;) {
      const next = await source.next()
      if (!next) return end
      begin ??= next.position
      const position = next.position - begin
      end = position + next.duration
      await sleep(pacer.until(offset + position), undefined, { signal }).catch(() => {})
      if (signal.aborted) {
        next.pixels.free()
        return end
      }
      await emit(next.pixels)
    }
  }
}
