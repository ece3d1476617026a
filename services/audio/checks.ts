/** What the doctor uses of audio: a second of sound from a source, a moment of silence to a speaker. Everything else of this service is internal. */
import { setTimeout as sleep } from 'node:timers/promises'
import { UnavailableError } from '#lib/unavailable-error.ts'
import { captureFrom } from './capture/sources/open.ts'
import type { AudioSourceSection, AudioSpeakerSection } from './config.ts'
import { BLOCK_MS, BLOCK_SAMPLES, SAMPLE_RATE } from './sound/format.ts'
import { toDbfs } from './sound/level-meter.ts'
import { sinkOf } from './speaker/sinks/open.ts'

/** The peak (dBFS) of the first second. Rejects with UnavailableError when the source fails, or within `timeoutMs` has no sound. */
export async function recordLevel(
  source: Exclude<AudioSourceSection, { type: 'none' }>,
  timeoutMs: number,
): Promise<number> {
  const enough = new AbortController()
  const timeout = AbortSignal.timeout(timeoutMs)
  let [samples, peak] = [0, 0]
  await captureFrom(source)({
    signal: AbortSignal.any([enough.signal, timeout]),
    emit(chunk) {
      for (const sample of chunk) peak = Math.max(peak, Math.abs(sample))
      samples += chunk.length
      if (samples >= SAMPLE_RATE) enough.abort()
    },
  })
  if (samples === 0) throw new UnavailableError(timeout.aborted ? 'no sound in time' : 'source ended')
  return toDbfs(peak)
}

const PLAYED_MS = 600

/** Plays silence on a speaker for a moment. Rejects with UnavailableError when it takes none. */
export async function playSilence(speaker: Exclude<AudioSpeakerSection, { type: 'none' }>): Promise<void> {
  // a test file that exists is not the doctor's to overwrite
  if (speaker.type === 'file') return
  const failed = Promise.withResolvers<never>()
  const sink = sinkOf(speaker)({ onFailed: (reason) => failed.reject(new UnavailableError(reason)) })
  const block = new Int16Array(BLOCK_SAMPLES)
  const timer = setInterval(() => sink.write(block), BLOCK_MS)
  try {
    await Promise.race([failed.promise, sleep(PLAYED_MS)])
  } finally {
    clearInterval(timer)
    await sink.close()
  }
}
