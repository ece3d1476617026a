/** What the doctor uses of audio: a second of sound from a source. Everything else of this service is internal. */
import { UnavailableError } from '#lib/unavailable-error.ts'
import { captureFrom } from './capture/sources/open.ts'
import type { AudioSourceSection } from './config.ts'
import { SAMPLE_RATE } from './sound/format.ts'
import { toDbfs } from './sound/level-meter.ts'

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
