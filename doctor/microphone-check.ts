import type { Bus } from '#bus/bus.ts'
import { topics } from '#bus/topics.ts'
import { recordLevel } from '#services/audio/checks.ts'
import { type CheckContext, isOnline, isPrivate } from './check-context.ts'
import { type CheckResult, failure, ok, reasonOf, warning } from './check-result.ts'

const FIRST_SOUND_TIMEOUT_MS = 12_000
/** A microphone has noise; less is a switch that is off, or the wrong device. */
const MIN_DBFS = -80

/** Measures a second of sound: through `audio`, which holds the device while it is needed, else from the source itself. */
export async function checkMicrophone(context: CheckContext): Promise<CheckResult[]> {
  const { audio, webrtc } = context.config
  if (!audio || audio.source.type === 'none') return []
  const sound = await measure(audio.source, context)
  if ('closed' in sound) return [ok('microphone', `${audio.source.type}: closed, privacy is on`)]
  if ('problem' in sound) {
    return [failure('microphone', `${audio.source.type}: ${sound.problem}`, 'see docs/audio.md, microphones')]
  }
  const found = `${audio.source.type}: peak ${sound.peak} dBFS`
  if (webrtc?.audio.enabled === false) {
    return [warning('microphone', found, 'set webrtc.audio.enabled, or viewers do not get it')]
  }
  if (sound.peak >= MIN_DBFS) return [ok('microphone', found)]
  return [warning('microphone', `${found}: silence`, 'check its switch, the device, and audio.gain')]
}

type Source = Parameters<typeof recordLevel>[0]
type Sound = { peak: number } | { problem: string } | { closed: true }

async function measure(source: Source, context: CheckContext): Promise<Sound> {
  const { bus } = context
  if (bus && isOnline(context, 'audio')) return await askAudio(bus)
  return (await isPrivate(context)) ? { closed: true } : await openSource(source)
}

async function askAudio(bus: Bus): Promise<Sound> {
  const level = Promise.withResolvers<Sound>()
  let problem = `no sound within ${FIRST_SOUND_TIMEOUT_MS / 1_000} s`
  using _levels = await bus.subscribe(topics.audioLevel, ({ peak_dbfs: peak }) => level.resolve({ peak }))
  using _states = await bus.subscribe(topics.audioState, ({ audio_error, muted }) => {
    if (audio_error) problem = audio_error
    if (muted === 'privacy') level.resolve({ closed: true })
    if (muted === 'mode') problem = 'closed, because the robot is in a mode that is not in audio.modes'
  })
  await bus.publish(topics.audioDemand, { until: Date.now() + FIRST_SOUND_TIMEOUT_MS }, { who: 'doctor' })
  const timer = setTimeout(() => level.resolve({ problem }), FIRST_SOUND_TIMEOUT_MS - 1_000)
  const sound = await level.promise
  clearTimeout(timer)
  await bus.publish(topics.audioDemand, null, { who: 'doctor' })
  return sound
}

async function openSource(source: Source): Promise<Sound> {
  try {
    return { peak: await recordLevel(source, FIRST_SOUND_TIMEOUT_MS) }
  } catch (err) {
    return { problem: reasonOf(err) }
  }
}
