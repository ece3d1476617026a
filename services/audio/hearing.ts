import { EventEmitter } from 'node:events'
import type { Bus } from '#bus/bus.ts'
import type { AudioDemand } from '#bus/messages.ts'
import { topics } from '#bus/topics.ts'
import type { Logger } from '#lib/logger.ts'
import { Demands, followDemands } from '#lib/media/demands.ts'
import { createPrivacy, type Privacy } from '#lib/media/privacy.ts'
import { createMode, type Mode } from '#lib/media/robot-mode.ts'
import type { Wanted } from './capture/microphone.ts'
import { ClipMute } from './clip-mute.ts'
import type { SoundSource } from './speaker/speaker.ts'
import { SpeakerMute } from './speaker-mute.ts'

interface HearingEvents {
  /** {@link Hearing.wanted} or {@link Hearing.muted} may have changed. */
  change: []
}

interface HearingOptions {
  bus: Bus
  log: Logger
  dataDir: string
  /** Those that hear; a robot without a mode hears. */
  modes: readonly string[]
  /** Clips are played by ours, not by another service. */
  ownSpeaker: boolean
}

/** Decides by demand, privacy, mode and what the robot plays what is captured, and whether it is muted. */
export class Hearing extends EventEmitter<HearingEvents> implements Disposable {
  readonly #modes: readonly string[]
  readonly #demands = new Demands<NonNullable<AudioDemand>>()
  readonly #mode: Mode
  readonly #privacy: Privacy
  readonly #clips: ClipMute
  readonly #speaker: SpeakerMute
  readonly #ownSpeaker: boolean
  #recordings = 0
  readonly #stack = new DisposableStack()

  constructor({ bus, log, dataDir, modes, ownSpeaker }: HearingOptions) {
    super()
    const onChanged = () => this.emit('change')
    this.#modes = modes
    this.#ownSpeaker = ownSpeaker
    this.#mode = this.#stack.use(createMode(bus, onChanged))
    this.#privacy = this.#stack.use(createPrivacy({ bus, log, dataDir, onChanged }))
    this.#clips = this.#stack.use(new ClipMute(onChanged))
    this.#speaker = this.#stack.use(new SpeakerMute(onChanged))
  }

  /** Follows privacy, then demand, mode and clips on the bus. */
  async start(bus: Bus): Promise<void> {
    await this.#privacy.start()
    const subscriptions = [
      followDemands(bus, topics.audioDemand, this.#demands, () => this.emit('change')),
      ...(this.#ownSpeaker ? [] : [this.#clips.subscribe(bus)]),
    ]
    await Promise.all([this.#mode.start(), ...subscriptions])
    for (const subscription of subscriptions) this.#stack.use(await subscription)
  }

  get wanted(): Wanted {
    if (this.demand.length === 0 && this.#recordings === 0) return 'nothing'
    return this.deaf === null ? 'source' : 'silence'
  }

  /** Opens the microphone for a recording, until the result is disposed. */
  need(): Disposable {
    const change = (by: number) => {
      this.#recordings += by
      this.emit('change')
    }
    change(1)
    return { [Symbol.dispose]: () => change(-1) }
  }

  /** Why silence is sent. */
  get muted(): 'privacy' | 'mode' | 'clip' | 'talk' | null {
    if (this.deaf !== null) return this.deaf
    return this.#clips.muted ? 'clip' : this.#speaker.muted
  }

  /** What our own speaker plays from now on. */
  speakerPlays(playing: SoundSource['kind'] | null): void {
    this.#speaker.set(playing)
  }

  /** Why the microphone stays closed. */
  get deaf(): 'privacy' | 'mode' | null {
    if (this.#privacy.enabled) return 'privacy'
    const { current } = this.#mode
    return current === undefined || this.#modes.includes(current) ? null : 'mode'
  }

  /** Clients that need the sound. */
  get demand(): string[] {
    return [...this.#demands.valid(Date.now()).keys()]
  }

  [Symbol.dispose](): void {
    this.#stack.dispose()
  }
}
