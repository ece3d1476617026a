import type { Bus } from '#bus/bus.ts'
import type { Layer, VisionState } from '#bus/messages.ts'
import { topics } from '#bus/topics.ts'
import { type LayerLadder, layerLadder } from '#lib/layer-ladder.ts'
import type { Logger } from '#lib/logger.ts'
import { MODES, type Mode } from './rate-control.ts'

/** Video quality settings that all sessions share. */
export interface VideoQualitySettings {
  readonly ladder: LayerLadder
  /** The mode that a viewer set last: the next session starts with it. */
  mode: Mode
  /** Frame size as `1280x720`: the one that vision reports, else the configured one. */
  resolution(layer: Layer): string
  /** Why frames are smaller than configured; null while they are not, or their size is not known. */
  limitedBy(layer: Layer): 'overload' | 'camera' | null
  /** What viewers are told of `vision/state`: whether the camera delivers frames, the overload level, and privacy. */
  readonly vision: Pick<VideoQuality, 'camera_ok' | 'overload' | 'privacy'>
  /** Takes over `vision/state`. Returns whether what viewers are told has changed. */
  setVision(state: Pick<VisionState, 'layers' | 'camera_ok' | 'privacy' | 'load' | 'state'>): boolean
}

/** `video`: size of the captured frames, and highest bitrate. */
export function createVideoQualitySettings(video: {
  width: number
  height: number
  bitrate_kbps: number
}): VideoQualitySettings {
  const ladder = layerLadder(video.bitrate_kbps * 1000)
  // smaller than configured for a smaller camera, or when the machine is overloaded
  let reported: VisionState['layers'] = {}
  let steps = 0
  let vision: VideoQualitySettings['vision'] = {}
  const configured = (layer: Layer) => {
    const max = ladder[layer]
    const scale = Math.min(1, max.width / video.width, max.height / video.height)
    const even = (length: number) => 2 * Math.round((length * scale) / 2)
    return { width: even(video.width), height: even(video.height) }
  }
  return {
    ladder,
    mode: 'auto',
    get vision() {
      return vision
    },
    setVision({ state, layers, camera_ok, privacy, load }) {
      reported = layers
      steps = load?.steps ?? 0
      const before = vision
      vision = state === 'online' ? { camera_ok, overload: load?.level, ...(privacy && { privacy }) } : {}
      return (
        before.camera_ok !== vision.camera_ok ||
        before.overload !== vision.overload ||
        before.privacy !== vision.privacy
      )
    },
    resolution(layer) {
      const { width, height } = { ...configured(layer), ...reported?.[layer] }
      return `${width}x${height}`
    },
    limitedBy(layer) {
      const { width = 0, height = 0 } = reported?.[layer] ?? {}
      const wanted = configured(layer)
      if (width === 0 || width * height >= wanted.width * wanted.height) return null
      return steps > 0 ? 'overload' : 'camera'
    },
  }
}

/** The `video_quality` message of the data channel (docs/relay-protocol.md). */
export interface VideoQuality {
  tier: Layer
  resolution: string
  bitrate_kbps: number
  /** Percent, one decimal. */
  loss_pct: number
  rtt_ms: number
  /** 0..4 */
  bars: number
  mode: 'auto' | 'manual'
  /** Why the frames are smaller than configured; absent while they are not. */
  limited_by?: 'overload' | 'camera'
  /** Whether the camera delivers frames; absent while vision is offline. */
  camera_ok?: boolean | undefined
  /** Level 0 to 4 of `vision/state`; absent while vision is offline. */
  overload?: number | undefined
  /** True while privacy is on: camera and microphone are closed. Else absent. */
  privacy?: boolean
}

/** 4, minus one for each threshold exceeded; 0 before the first report. `loss` 0..1, `rtt` in ms. */
export function signalBars(received: { loss: number; rtt: number | undefined } | undefined): number {
  if (!received) return 0
  const { loss, rtt = 0 } = received
  return 4 - [loss > 0.02, loss > 0.08, rtt > 300, rtt > 600].filter(Boolean).length
}

interface QualityCommandDeps {
  bus: Bus
  log: Logger
  quality: VideoQualitySettings
  /** Oldest first. */
  sessions: () => readonly { readonly id: string; setMode(mode: Mode): void }[]
  /** The mode may have changed. */
  onChanged(): void
}

const COMMAND = 'set_video_quality'

/**
 * Executes `set_video_quality {mode}` for the session in the command, else for the newest one, and for later sessions. An
 * unknown mode is refused.
 */
export function subscribeQualityCommand({
  bus,
  log,
  quality,
  sessions,
  onChanged,
}: QualityCommandDeps): Promise<Disposable> {
  return bus.subscribe(
    topics.command,
    ({ id, params, session_id }) => {
      const mode = parseMode(params)
      if (mode) {
        quality.mode = mode
        const list = sessions()
        // a session that has ended is not replaced by another
        const session = session_id === undefined ? list.at(-1) : list.find((one) => one.id === session_id)
        session?.setMode(mode)
        onChanged()
      }
      const result = mode
        ? { success: true, mode, ...delivered(quality, mode) }
        : { success: false, error: refusal(params) }
      bus
        .publish(topics.commandResult, { id, name: COMMAND, ...result })
        .catch((err: unknown) => log.warn({ err }, 'command result not published'))
    },
    { name: COMMAND },
  )
}

/** What a pinned layer delivers, in the result of the command. */
function delivered(quality: VideoQualitySettings, mode: Mode) {
  if (mode === 'auto') return {}
  const limitedBy = quality.limitedBy(mode)
  return { resolution: quality.resolution(mode), ...(limitedBy && { limited_by: limitedBy }) }
}

/** Apps send `mode`, older ones `quality` or `tier`. */
function parseMode(params: Record<string, unknown>): Mode | undefined {
  const requested = params.mode ?? params.quality ?? params.tier
  return MODES.find((mode) => typeof requested === 'string' && mode === requested.trim().toLowerCase())
}

function refusal({ mode: requested, quality, tier }: Record<string, unknown>): string {
  const mode = requested ?? quality ?? tier
  const problem = mode === undefined ? 'no mode' : `unknown mode ${JSON.stringify(mode).slice(0, 40)}`
  return `${problem}: one of ${MODES.join(', ')} is needed`
}
