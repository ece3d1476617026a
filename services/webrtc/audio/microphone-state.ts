import { EventEmitter } from 'node:events'
import type { Bus } from '#bus/bus.ts'
import type { AudioState } from '#bus/messages.ts'
import { topics } from '#bus/topics.ts'

/**
 * What viewers are told of the robot's microphone: there is `none`, it is `live`, `opening`, sends silence (`muted`), or has
 * `failed`.
 */
export interface SoundState {
  state: 'none' | 'live' | 'opening' | 'muted' | 'failed'
  /** Why it is muted, or has failed. */
  reason?: string
}

interface MicrophoneEvents {
  change: []
}

/** The state of the microphone by `audio/state`. */
export class MicrophoneState extends EventEmitter<MicrophoneEvents> implements Disposable {
  #state: SoundState
  #subscription: Disposable | undefined

  /** `exists`: the config names a microphone, and viewers get its sound. */
  constructor(exists: boolean) {
    super()
    this.setMaxListeners(0) // one for each viewer
    this.#state = { state: exists ? 'opening' : 'none' }
  }

  get current(): SoundState {
    return this.#state
  }

  async follow(bus: Bus): Promise<void> {
    if (this.#state.state === 'none') return
    this.#subscription = await bus.subscribe(topics.audioState, (state) => {
      const next = soundState(state)
      if (next.state === this.#state.state && next.reason === this.#state.reason) return
      this.#state = next
      this.emit('change')
    })
  }

  [Symbol.dispose](): void {
    this.#subscription?.[Symbol.dispose]()
    this.removeAllListeners()
  }
}

function soundState({ state, audio_ok: ok, audio_error: error, muted }: AudioState): SoundState {
  if (state === 'offline') return { state: 'failed', reason: 'the audio service is not running' }
  if (muted) return { state: 'muted', reason: muted }
  if (ok) return { state: 'live' }
  return error ? { state: 'failed', reason: error } : { state: 'opening' }
}
