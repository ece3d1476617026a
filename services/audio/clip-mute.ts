import type { Bus } from '#bus/bus.ts'
import { topics } from '#bus/topics.ts'

/** The room still sounds for this long after a clip. */
const TAIL_MS = 200
/** Longest clip of an app (docs/relay-protocol.md), also assumed where a clip has no duration. */
const MAX_CLIP_MS = 10_000
/** Clips that wait are played one after the other, at most so many. */
const MAX_CLIPS = 6

/** The times in which the robot plays push-to-talk clips: its own voice must not come back to the app. */
export class ClipMute implements Disposable {
  readonly #onChanged: () => void
  readonly #now: () => number
  /** When the last clip ends (ms); clips are played one after the other. */
  #end = Number.NEGATIVE_INFINITY
  #timer: NodeJS.Timeout | undefined

  /** `onChanged`: {@link muted} may have changed. */
  constructor(onChanged: () => void, now = () => performance.now()) {
    this.#onChanged = onChanged
    this.#now = now
  }

  /** Follows `command/ptt_play`. */
  async subscribe(bus: Bus): Promise<Disposable> {
    return await bus.subscribe(
      topics.command,
      ({ params }, { retained }) => {
        if (!retained) this.play(params.duration_ms)
      },
      { name: 'ptt_play' },
    )
  }

  /** A clip begins now, or after those that are played. */
  play(duration: unknown): void {
    const now = this.#now()
    const given = Number(duration)
    const clip = given > 0 ? Math.min(given, MAX_CLIP_MS) : MAX_CLIP_MS
    this.#end = Math.min(Math.max(this.#end, now) + clip, now + MAX_CLIPS * MAX_CLIP_MS)
    clearTimeout(this.#timer)
    this.#timer = setTimeout(this.#onChanged, this.#end + TAIL_MS - now + 1)
    this.#onChanged()
  }

  get muted(): boolean {
    return this.#now() < this.#end + TAIL_MS
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer)
  }
}
