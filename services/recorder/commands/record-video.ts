import { join } from 'node:path'
import { z } from 'zod'
import type { Bus } from '#bus/bus.ts'
import { ContractError } from '#bus/contract-error.ts'
import { topics } from '#bus/topics.ts'
import { type CommandHandler, paramsOf } from '#commands/command-handlers.ts'
import { number } from '#lib/coerced-number.ts'
import type { Logger } from '#lib/logger.ts'
import { UnavailableError } from '#lib/unavailable-error.ts'
import type { Clip, ClipStore } from '../clip.ts'
import type { Recording } from '../recording/recording.ts'
import type { Recordings } from '../recording/recordings.ts'
import { MAX_UPLOAD_BYTES, uploadClip } from '../upload/upload-clip.ts'

const DEFAULT_SECONDS = 15
const MAX_SECONDS = 300
/** Longest time until the first frame. */
const OPEN_TIMEOUT_MS = 5_000

const Params = z.object({
  duration: number.pipe(z.number().min(1).max(MAX_SECONDS)).nullish(),
  resolution: z.string().max(20).nullish(),
})

interface RecordVideoOptions {
  bus: Bus
  log: Logger
  store: ClipStore
  recordings: Recordings
  /** Where recordings are uploaded; undefined: there is no relay. */
  target: { relay: URL; deviceId: string } | undefined
}

/** `record_video` and `stop_recording`: an MP4 for the app, uploaded to the relay and announced by `event/video_ready`. */
export function recordVideoCommands(options: RecordVideoOptions): CommandHandler[] {
  const { recordings, log } = options
  let isUploading = false
  const record = async (recording: Recording) => {
    isUploading = true
    try {
      await announce(options, await finished(recording))
    } catch (err) {
      log.error({ err }, 'recording for an app failed')
    } finally {
      isUploading = false
    }
  }
  return [
    {
      name: 'record_video',
      run(params) {
        const { duration } = paramsOf(Params, params)
        if (recordings.stopped !== undefined)
          throw new UnavailableError(`no recording: ${recordings.stopped}`)
        if (recordings.commanded) throw new ContractError('a recording is running already')
        if (isUploading) throw new ContractError('the last recording is still being uploaded')
        const seconds = duration ?? DEFAULT_SECONDS
        void record(start(recordings, seconds * 1_000))
        return { duration: seconds }
      },
    },
    {
      name: 'stop_recording',
      run() {
        if (!recordings.stopCommanded()) throw new ContractError('no recording is running')
        return {}
      },
    },
  ]
}

/** The time counts from the first frame, for which vision may have to open its encoder. */
function start(recordings: Recordings, ms: number): Recording {
  const now = performance.now()
  const reason = { kind: 'command' as const, at: Date.now() }
  const recording = recordings.record(now, now + OPEN_TIMEOUT_MS, reason)
  recording.once('opened', (at) => {
    recording.until = Math.max(now, at) + ms
  })
  return recording
}

async function finished(recording: Recording): Promise<Clip | undefined> {
  const { promise, resolve } = Promise.withResolvers<Clip | undefined>()
  recording.once('finished', resolve)
  return await promise
}

async function announce(
  { bus, log, store, target }: RecordVideoOptions,
  clip: Clip | undefined,
): Promise<void> {
  const publish = (event: Record<string, unknown>) =>
    bus.publish(topics.event, event, { name: 'video_ready' })
  const fail = (error: string) => publish({ ...(clip && facts(clip)), success: false, error })
  if (!clip) return await fail('no video from the camera')
  if (clip.bytes === 0) return await fail(`nothing could be written: ${clip.cutShort ?? 'disk error'}`)
  if (!target) return await fail('the robot has no relay to upload to; the clip is on the robot')
  if (clip.bytes > MAX_UPLOAD_BYTES) return await fail('the recording is larger than the relay accepts')
  using _watched = store.watch(clip.id)
  try {
    const path = join(store.folder, clip.file)
    const download_url = await uploadClip({ ...target, path, filename: clip.file })
    await publish({ ...facts(clip), download_url, success: true })
  } catch (err) {
    log.warn({ err, clip: clip.id }, 'recording not uploaded; it stays on the robot')
    await fail(err instanceof UnavailableError ? err.message : 'upload failed')
  }
}

function facts(clip: Clip) {
  return {
    filename: clip.file,
    size_bytes: clip.bytes,
    duration: Math.round(clip.durationMs / 100) / 10,
    resolution: `${clip.height}p`,
  }
}
