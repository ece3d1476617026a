/**
 * Push-to-talk clips and recordings, as apps ask for them (docs/relay-protocol.md): commands, and the older messages
 * `audio_message` and `audio_request`. Only where a speaker is configured: another service of the robot may handle them.
 */

import type { Bus } from '#bus/bus.ts'
import { ContractError } from '#bus/contract-error.ts'
import type { Command } from '#bus/messages.ts'
import { topics } from '#bus/topics.ts'
import type { CommandHandler } from '#commands/command-handlers.ts'
import type { Logger } from '#lib/logger.ts'
import { UnavailableError } from '#lib/unavailable-error.ts'
import type { Speaker } from '../speaker/speaker.ts'
import type { Voice } from '../talk/voice.ts'
import { decodeClip } from './clip-decoder.ts'
import { CLIPS_WAIT, type ClipQueue } from './clip-queue.ts'
import { DEFAULT_SECONDS, MAX_SECONDS, type Recorder } from './recorder.ts'

interface ClipDeps {
  bus: Bus
  log: Logger
  speaker: Speaker
  voice: Pick<Voice, 'stop'>
  clips: ClipQueue
  /** Undefined without a microphone. */
  recorder: Recorder | undefined
}

type Params = Readonly<Record<string, unknown>>

/** The commands. */
export function clipCommands(deps: ClipDeps): CommandHandler[] {
  const { bus, speaker, voice, clips } = deps
  const setVolume = (volume: number) => {
    speaker.setVolume(volume)
    return { volume: Math.round(volume * 100) }
  }
  return [
    {
      name: 'ptt_play',
      async run(params, command) {
        const { played } = await playClip(deps, params)
        // the result of the whole clip follows
        void played
          .then(
            () => ({ success: true }),
            (err: unknown) => ({ success: false, error: messageOf(err, deps.log) }),
          )
          .then((outcome) => publishResult(bus, command, outcome))
        return { accepted: true, queue_depth: clips.waiting }
      },
    },
    {
      name: 'audio_stop',
      run() {
        clips.stop()
        voice.stop()
        return {}
      },
    },
    { name: 'set_volume', run: ({ level }) => setVolume(share(level, 1, 'level')) },
    {
      name: 'audio_volume',
      run: ({ volume, level }) => setVolume(share(volume ?? level, 100, 'volume')),
    },
    {
      name: 'audio_request',
      async run(params) {
        const { ms } = await answerRecording(deps, params)
        return { duration_ms: ms }
      },
    },
  ]
}

/** The older messages of the relay, which have no acknowledgment but an event. */
export async function subscribeClipMessages(deps: ClipDeps): Promise<Disposable> {
  const { bus, clips } = deps
  using stack = new DisposableStack()
  const onMessage = async (params: Params) => {
    const outcome = await playClip(deps, params)
      .then(({ played }) => played)
      .then(
        () => ({ success: true }),
        (err: unknown) => ({ success: false, error: messageOf(err, deps.log) }),
      )
    await bus.publish(topics.event, { ...outcome, queue_depth: clips.waiting }, { name: 'audio_played' })
  }
  const onRequest = async (params: Params) => {
    await answerRecording(deps, params).catch(() => {}) // it has been answered
  }
  const subscribe = (type: string, handle: (params: Params) => Promise<void>) =>
    bus.subscribe(
      topics.cloud,
      (message) => {
        handle(message).catch((err: unknown) => deps.log.warn({ err }, 'audio event not published'))
      },
      { type },
    )
  stack.use(await subscribe('audio_message', onMessage))
  stack.use(await subscribe('audio_request', onRequest))
  return stack.move()
}

/** Resolves when the clip has a place and is decoded; rejects with the reason, for the app. */
async function playClip(
  { clips, speaker }: ClipDeps,
  { data, format }: Params,
): Promise<{ played: Promise<void> }> {
  const place = clips.reserve()
  if (!place) throw new ContractError(CLIPS_WAIT)
  try {
    place.play(await decodeClip(data, format))
  } catch (err) {
    place.cancel()
    // the next one may have been waiting for this one
    if (clips.active) speaker.wake()
    throw err
  }
  speaker.wake()
  return {
    played: place.played.then((how) => {
      const { ok, error } = speaker.summary
      if (how === 'stopped') throw new ContractError('stopped')
      if (ok === false) throw new UnavailableError(error ?? 'the speaker does not work')
    }),
  }
}

/** Records, and publishes `audio_message` or `audio_error`. Rejects as well as it publishes the latter. */
async function answerRecording({ bus, recorder, log }: ClipDeps, { duration }: Params) {
  try {
    if (!recorder) throw new ContractError('this robot has no microphone')
    const { data, ms } = await recorder.record(secondsOf(duration))
    const message = {
      data: data.toString('base64'),
      format: 'aac',
      duration_ms: ms,
      size_bytes: data.length,
    }
    await bus.publish(topics.event, message, { name: 'audio_message' })
    return { ms }
  } catch (err) {
    await bus.publish(topics.event, { error: messageOf(err, log) }, { name: 'audio_error' })
    throw err
  }
}

function secondsOf(duration: unknown): number {
  if (duration === undefined || duration === null) return DEFAULT_SECONDS
  const seconds = Number(duration)
  if (seconds >= 1 && seconds <= MAX_SECONDS) return seconds
  throw new ContractError(`duration must be 1 to ${MAX_SECONDS}`)
}

/** A value from 0 to `most` as a share. */
function share(value: unknown, most: number, name: string): number {
  const number = typeof value === 'string' && value.trim() === '' ? Number.NaN : Number(value ?? Number.NaN)
  if (number >= 0 && number <= most) return number / most
  throw new ContractError(`${name} must be 0 to ${most}`)
}

function messageOf(err: unknown, log: Logger): string {
  if (err instanceof ContractError || err instanceof UnavailableError) return err.message
  log.error({ err }, 'clip failed')
  return 'internal error'
}

async function publishResult(bus: Bus, { id, name }: Command, outcome: { success: boolean; error?: string }) {
  await bus.publish(topics.commandResult, { ...outcome, id, name }).catch(() => {}) // logged by the bus
}
