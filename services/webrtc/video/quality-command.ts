import type { Bus } from '#bus/bus.ts'
import { topics } from '#bus/topics.ts'
import type { Logger } from '#lib/logger.ts'
import { MODES, type Mode } from './layer-choice.ts'
import type { Quality } from './video-quality.ts'

/** What the command needs of a session. */
interface Pinnable {
  readonly id: string
  setMode(mode: Mode): void
}

interface QualityCommandDeps {
  bus: Bus
  log: Logger
  quality: Quality
  /** Oldest first. */
  sessions: () => readonly Pinnable[]
}

const NAME = 'set_video_quality'

/**
 * Answers `set_video_quality {mode}`: for the session that it names, else the newest, and for those to come. A mode that
 * nobody knows is refused (F04).
 */
export function followQuality({ bus, log, quality, sessions }: QualityCommandDeps): Promise<Disposable> {
  return bus.subscribe(
    topics.command,
    ({ id, params, session_id }) => {
      const mode = modeOf(params)
      if (mode) {
        quality.mode = mode
        const list = sessions()
        // one that has ended meanwhile is nobody else
        const one = session_id === undefined ? list.at(-1) : list.find(({ id: live }) => live === session_id)
        one?.setMode(mode)
      }
      const result = mode ? { success: true, mode } : { success: false, error: refusal(params) }
      bus
        .publish(topics.commandResult, { id, name: NAME, ...result })
        .catch((err: unknown) => log.warn({ err }, 'result not published'))
    },
    { name: NAME },
  )
}

/** Apps say `mode`, older ones `quality` or `tier`. */
function modeOf(params: Record<string, unknown>): Mode | undefined {
  const asked = params.mode ?? params.quality ?? params.tier
  return MODES.find((mode) => typeof asked === 'string' && mode === asked.trim().toLowerCase())
}

function refusal({ mode: asked, quality, tier }: Record<string, unknown>): string {
  const mode = asked ?? quality ?? tier
  const said = mode === undefined ? 'no mode' : `unknown mode ${JSON.stringify(mode).slice(0, 40)}`
  return `${said}: one of ${MODES.join(', ')} is needed`
}
