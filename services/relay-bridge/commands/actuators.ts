import { z } from 'zod'
import { number } from '#lib/coerced-number.ts'

/** Things of the robot that wear, disturb or feed, and the commands that move them (API_CONTRACT 2.2). */
const ACTUATORS = {
  treats: ['treat', 'dispense_treat', 'treat_unjam', 'carousel_rotate'],
  audio: [
    'audio',
    'audio_toggle',
    'audio_next',
    'audio_prev',
    'ptt_play',
    'play_voice',
    'call_dog',
    'play_command',
  ],
  light: ['led', 'led_color', 'mood_led'],
  camera: ['take_photo', 'record_video'],
} as const

type Actuator = keyof typeof ACTUATORS
const NAMES = Object.keys(ACTUATORS) as Actuator[]
const ACTUATOR_OF: ReadonlyMap<string, Actuator> = new Map(
  NAMES.flatMap((actuator) => ACTUATORS[actuator].map((command) => [command, actuator] as const)),
)

/** `burst` at once, then `per_minute`. */
const limit = (perMinute: number, burst: number) =>
  z
    .strictObject({
      per_minute: number.pipe(z.number().positive().max(6_000)).default(perMinute),
      burst: number.pipe(z.int().min(1).max(1_000)).default(burst),
    })
    .prefault({})

/** `cloud.command_limits`: how often apps may move what (FIELD_FAILURES B18). Driving has no limit. */
export const CommandLimits = z
  .strictObject({
    treats: limit(10, 3),
    audio: limit(60, 10),
    light: limit(120, 20),
    camera: limit(30, 5),
  })
  .prefault({})
export type CommandLimits = z.infer<typeof CommandLimits>

/** A token bucket for each actuator. */
export class ActuatorLimits {
  readonly #limits: CommandLimits
  readonly #buckets = new Map<Actuator, { tokens: number; at: number }>()

  constructor(limits: CommandLimits) {
    this.#limits = limits
  }

  /** Takes one; undefined when the command may pass, else the ms after which one may. `now` is monotonic, in ms. */
  waitFor(
    command: string,
    params: Record<string, unknown> = {},
    now = performance.now(),
  ): number | undefined {
    const actuator = ACTUATOR_OF.get(command)
    if (!actuator || putsOut(command, params)) return undefined
    const { per_minute: perMinute, burst } = this.#limits[actuator]
    const bucket = this.#buckets.get(actuator) ?? { tokens: burst, at: now }
    const tokens = Math.min(burst, bucket.tokens + ((now - bucket.at) * perMinute) / 60_000)
    const allowed = tokens >= 1
    this.#buckets.set(actuator, { tokens: allowed ? tokens - 1 : tokens, at: now })
    return allowed ? undefined : Math.ceil(((1 - tokens) * 60_000) / perMinute)
  }
}

/** Sound and light may always be put out. */
function putsOut(command: string, params: Record<string, unknown>): boolean {
  if (command === 'audio') return params.stop === true
  return (command === 'led' && params.off === true) || (command === 'mood_led' && params.action === 'off')
}
