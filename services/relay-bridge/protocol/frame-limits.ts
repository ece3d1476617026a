import { TokenBucket } from '#lib/token-bucket.ts'

/** Frames of one kind at once. */
const BURST = 1_000
/** A connect replays every voice clip of the owner; their handler takes them one after another. */
const BURSTS: Readonly<Record<string, number>> = { voice_command_updated: 5_000 }
const PER_SECOND = 100
/** Frames of kinds without a handler, all together. */
const UNKNOWN_BURST = 200
const UNKNOWN_PER_SECOND = 50

/**
 * The rate of each kind of frame, so that a flood of one kind delays no other one: each frame costs a message on the bus, and
 * more than the bus holds pending would stop all of them. Commands have limits of their own, which exempt stops.
 */
export class FrameLimits {
  readonly #known: ReadonlyMap<string, TokenBucket>
  readonly #unknown = new TokenBucket(UNKNOWN_BURST, UNKNOWN_PER_SECOND)

  constructor(known: Iterable<string>) {
    this.#known = new Map(
      Array.from(known, (kind) => [kind, new TokenBucket(BURSTS[kind] ?? BURST, PER_SECOND)]),
    )
  }

  /** Whether a frame of this kind may pass. */
  take(kind: string): boolean {
    return kind === 'command' || (this.#known.get(kind) ?? this.#unknown).take()
  }

  /** The name under which dropped frames of this kind are counted. */
  nameOf(kind: string): string {
    return this.#known.has(kind) ? kind : 'unknown'
  }
}
