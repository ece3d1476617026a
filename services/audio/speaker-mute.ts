import type { SoundSource } from './speaker/speaker.ts'

/** The room still sounds for this long after the speaker. */
const TAIL_MS = 200

/** The times in which the speaker plays: the microphone must not send it back. */
export class SpeakerMute implements Disposable {
  readonly #onChanged: () => void
  #kind: SoundSource['kind'] | null = null
  #timer: NodeJS.Timeout | undefined

  /** `onChanged`: {@link muted} may have changed. */
  constructor(onChanged: () => void) {
    this.#onChanged = onChanged
  }

  /** What the speaker plays from now on. */
  set(playing: SoundSource['kind'] | null): void {
    clearTimeout(this.#timer)
    if (playing !== null) this.#become(playing)
    else if (this.#kind !== null) this.#timer = setTimeout(() => this.#become(null), TAIL_MS)
  }

  /** What is played, or was a moment ago. */
  get muted(): SoundSource['kind'] | null {
    return this.#kind
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer)
  }

  #become(kind: SoundSource['kind'] | null): void {
    if (kind === this.#kind) return
    this.#kind = kind
    this.#onChanged()
  }
}
