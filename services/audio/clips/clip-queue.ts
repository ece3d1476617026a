import { BLOCK_SAMPLES } from '../sound/format.ts'
import type { SoundSource } from '../speaker/speaker.ts'

/** Clips that wait for the one that is played, those that are being decoded included. */
const MAX_WAITING = 5
export const CLIPS_WAIT = `${MAX_WAITING} clips are waiting already`

interface Clip {
  /** Undefined while it is decoded. */
  samples: Int16Array | undefined
  played: PromiseWithResolvers<'played' | 'stopped'>
}

/** Push-to-talk clips, played one after the other in the order in which they came. */
export class ClipQueue implements SoundSource {
  readonly kind = 'clip'
  readonly #clips: Clip[] = []
  #position = 0

  get active(): boolean {
    return this.#clips[0]?.samples !== undefined
  }

  /** Clips behind the one that is played. */
  get waiting(): number {
    return Math.max(0, this.#clips.length - 1)
  }

  /** Takes a place; undefined when there is none. The clip is played when its samples are there. */
  reserve(): Reservation | undefined {
    if (this.#clips.length > MAX_WAITING) return undefined
    const clip: Clip = { samples: undefined, played: Promise.withResolvers() }
    this.#clips.push(clip)
    return {
      played: clip.played.promise,
      play: (samples) => {
        clip.samples = samples
      },
      cancel: () => this.#remove(clip, 'stopped'),
    }
  }

  next(): Int16Array | undefined {
    const [clip] = this.#clips
    if (!clip?.samples) return undefined
    const block = new Int16Array(BLOCK_SAMPLES)
    block.set(clip.samples.subarray(this.#position, this.#position + BLOCK_SAMPLES))
    this.#position += BLOCK_SAMPLES
    if (this.#position >= clip.samples.length) this.#remove(clip, 'played')
    return block
  }

  /** Ends the clip that is played, and forgets those that wait. */
  stop(): void {
    for (const clip of [...this.#clips]) this.#remove(clip, 'stopped')
  }

  #remove(clip: Clip, how: 'played' | 'stopped'): void {
    const index = this.#clips.indexOf(clip)
    if (index < 0) return
    this.#clips.splice(index, 1)
    if (index === 0) this.#position = 0
    clip.played.resolve(how)
  }
}

/** A place in the queue. */
export interface Reservation {
  /** Resolves at the end of the clip, or when it is stopped. */
  readonly played: Promise<'played' | 'stopped'>
  play(samples: Int16Array): void
  /** Gives the place up. */
  cancel(): void
}
