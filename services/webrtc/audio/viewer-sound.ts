import type { MicrophoneState } from './microphone-state.ts'

/** Video may wait for sound that is heard, for so long: more than sound needs in a local network. */
const MAX_VIDEO_WAIT_MS = 200

interface ViewerSoundOptions {
  microphone: MicrophoneState
  /** Begins to send the sound. */
  send(): Disposable
  /** The longest time (ms) for which the viewer may hold frames back. */
  limitVideoDelay(ms: number): void
  /** Sends the viewer a message. */
  tell(message: object): void
}

/**
 * The sound of one viewer: sent from its connection on, unless the viewer says that it is not heard (`sound` on the control
 * channel). A viewer that has said so once is told the state of the microphone.
 */
export class ViewerSound implements Disposable {
  readonly #options: ViewerSoundOptions
  readonly #onChanged = () => this.announce()
  #connected = false
  #isHeard = true
  #sending: Disposable | undefined
  #listens = false

  constructor(options: ViewerSoundOptions) {
    this.#options = options
  }

  /** The viewer is connected. */
  start(): void {
    this.#connected = true
    this.#apply()
  }

  /** A message `sound` of the viewer; false for one that is none. */
  handle({ on }: Readonly<Record<string, unknown>>): boolean {
    if (typeof on !== 'boolean') return false
    if (!this.#listens) this.#options.microphone.on('change', this.#onChanged)
    this.#listens = true
    this.#isHeard = on
    this.#apply()
    this.announce()
    return true
  }

  /** Tells the viewer again: the channel may lose messages. */
  announce(): void {
    if (this.#listens) this.#options.tell({ type: 'sound', ...this.#options.microphone.current })
  }

  [Symbol.dispose](): void {
    this.#connected = false
    this.#options.microphone.off('change', this.#onChanged)
    this.#apply()
  }

  #apply(): void {
    const { microphone, send, limitVideoDelay } = this.#options
    const wanted = this.#connected && this.#isHeard && microphone.current.state !== 'none'
    if (wanted === (this.#sending !== undefined)) return
    this.#sending?.[Symbol.dispose]()
    this.#sending = wanted ? send() : undefined
    limitVideoDelay(wanted ? MAX_VIDEO_WAIT_MS : 0)
  }
}
