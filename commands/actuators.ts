import { z } from 'zod'
import type { Bus } from '#bus/bus.ts'
import { topics } from '#bus/topics.ts'
import { number } from '#lib/coerced-number.ts'
import { TokenBucket } from '#lib/token-bucket.ts'

/** Parts of the robot that wear, disturb or feed, and the commands that move them. */
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

/** Commands to which each entrance subscribes, to count what the other one publishes. */
export const ACTUATOR_COMMANDS: ReadonlySet<string> = new Set(ACTUATOR_OF.keys())

/** `burst` at once, then `per_minute`. */
const limit = (perMinute: number, burst: number) =>
  z
    .strictObject({
      per_minute: number.pipe(z.number().positive().max(6_000)).default(perMinute),
      burst: number.pipe(z.int().min(1).max(1_000)).default(burst),
    })
    .prefault({})

/** `cloud.command_limits`: how often apps may use each actuator, over relay and data channel together. */
export const CommandLimits = z
  .strictObject({
    treats: limit(10, 3),
    audio: limit(60, 10),
    light: limit(120, 20),
    camera: limit(30, 5),
  })
  .prefault({})
export type CommandLimits = z.infer<typeof CommandLimits>

/** The part of section `cloud` that every entrance of commands reads. */
export const CommandSection = z.object({ command_limits: CommandLimits }).prefault({})
export type CommandSection = z.infer<typeof CommandSection>

/** Commands of ours whose echo from the bus is awaited. */
const MAX_PUBLISHED = 1_024

/**
 * The pace of each actuator. It counts every command on the bus, so what the other entrance publishes counts as well; two
 * entrances that publish at the same moment may overdraw by one burst, which both pay back.
 */
export class ActuatorLimits {
  readonly #buckets: ReadonlyMap<Actuator, TokenBucket>
  readonly #published = new Set<string>()

  constructor(limits: CommandLimits) {
    this.#buckets = new Map(
      NAMES.map((name) => {
        const { burst, per_minute } = limits[name]
        return [name, new TokenBucket(burst, per_minute / 60)] as const
      }),
    )
  }

  /** Counts what others publish. Resolves after the SUBACKs. */
  async follow(bus: Bus): Promise<Disposable> {
    const stack = new DisposableStack()
    const subscribed = Array.from(ACTUATOR_OF.keys(), (name) =>
      bus.subscribe(topics.command, ({ id, params }) => this.#observe(id, name, params), { name }),
    )
    for (const subscription of await Promise.all(subscribed)) stack.use(subscription)
    return stack
  }

  /** Takes one; undefined when the command may pass, else the ms after which one may. `now` is monotonic, in ms. */
  waitFor(
    command: string,
    params: Readonly<Record<string, unknown>> = {},
    now = performance.now(),
  ): number | undefined {
    const bucket = this.#bucketOf(command, params)
    return !bucket || bucket.take(1, now) ? undefined : bucket.wait(1, now)
  }

  /** A command that {@link waitFor} has counted is published with this id. */
  published(id: string, command: string): void {
    if (!ACTUATOR_OF.has(command)) return
    this.#published.add(id)
    const [oldest] = this.#published
    if (this.#published.size > MAX_PUBLISHED && oldest !== undefined) this.#published.delete(oldest)
  }

  #observe(id: string, command: string, params: Readonly<Record<string, unknown>>): void {
    if (!this.#published.delete(id)) this.#bucketOf(command, params)?.charge()
  }

  #bucketOf(command: string, params: Readonly<Record<string, unknown>>): TokenBucket | undefined {
    const actuator = ACTUATOR_OF.get(command)
    return actuator && !turnsOff(command, params) ? this.#buckets.get(actuator) : undefined
  }
}

/** Sound and light may be turned off at any pace. */
function turnsOff(command: string, params: Readonly<Record<string, unknown>>): boolean {
  if (command === 'audio') return params.stop === true
  return (command === 'led' && params.off === true) || (command === 'mood_led' && params.action === 'off')
}
