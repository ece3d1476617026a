import type { AudioState } from '#bus/messages.ts'
import { playSilence } from '#services/audio/checks.ts'
import { type CheckContext, isOnline } from './check-context.ts'
import { type CheckResult, failure, ok, reasonOf } from './check-result.ts'

/** Whether the speaker takes sound: plays a moment of silence, unless `audio` has the device or knows what is wrong. */
export async function checkSpeaker(context: CheckContext): Promise<CheckResult[]> {
  const speaker = context.config.audio?.speaker
  if (!speaker || speaker.type === 'none') return []
  const state = isOnline(context, 'audio')
    ? (context.services.get('audio') as AudioState | undefined)?.speaker
    : undefined
  const problem = state?.error ?? (state?.ok ? undefined : await problemOf(speaker))
  if (problem === undefined) return [ok('speaker', `${speaker.type}: takes sound`)]
  return [failure('speaker', `${speaker.type}: ${problem}`, 'see docs/audio.md, when nothing is heard')]
}

async function problemOf(speaker: Parameters<typeof playSilence>[0]): Promise<string | undefined> {
  try {
    await playSilence(speaker)
    return undefined
  } catch (err) {
    return reasonOf(err)
  }
}
