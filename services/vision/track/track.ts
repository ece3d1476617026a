import type { ZoneSection } from '../config.ts'
import type { Box, Candidate } from '../detect/nms.ts'
import { distance } from './box.ts'
import { LabelVoting } from './label-voting.ts'
import { Motion } from './motion.ts'
import { ZoneDwell } from './zone.ts'

/** Stationary: the center stays within this many body lengths for this long. */
const STATIONARY = { distance: 0.12, ms: 3_000 }
/** A first detection with this score confirms a track at once; else it takes CONFIRMING_DETECTIONS. */
const CONFIRMING_SCORE = 0.7
const CONFIRMING_DETECTIONS = 2

/** An object over successive detections. Times in milliseconds of a monotonic clock. */
export class Track {
  readonly id: number
  readonly startedAt: number
  readonly motion: Motion
  readonly #labelVoting: LabelVoting
  readonly #zones: ReadonlyMap<string, ZoneDwell>
  #seenAt: number
  #box: Box
  #score: number
  #topScore: number
  #detections = 1
  #missed = 0
  #anchor: { box: Box; at: number }

  constructor(id: number, first: Candidate, at: number, zones: Readonly<Record<string, ZoneSection>>) {
    this.id = id
    this.startedAt = at
    this.motion = new Motion(first.box, at)
    this.#labelVoting = new LabelVoting(first.label, first.score)
    this.#zones = new Map(Object.entries(zones).map(([name, zone]) => [name, new ZoneDwell(zone)]))
    this.#seenAt = at
    this.#box = first.box
    this.#score = first.score
    this.#topScore = first.score
    this.#anchor = { box: first.box, at }
    for (const zone of this.#zones.values()) zone.update(first.label, first.box, at)
  }

  get label(): string {
    return this.#labelVoting.label
  }

  /** Of the last detection. */
  get score(): number {
    return this.#score
  }

  get topScore(): number {
    return this.#topScore
  }

  /** As last measured. */
  get box(): Box {
    return this.#box
  }

  get seenAt(): number {
    return this.#seenAt
  }

  /** Inferences since the last detection. */
  get missed(): number {
    return this.#missed
  }

  /** Detected often enough, or with a score high enough, to be published. */
  get confirmed(): boolean {
    return this.#detections >= CONFIRMING_DETECTIONS || this.#topScore >= CONFIRMING_SCORE
  }

  get zones(): string[] {
    return this.#names(({ inside }) => inside)
  }

  get enteredZones(): string[] {
    return this.#names(({ entered }) => entered)
  }

  /** Zones in which it has been for their `dwell`. */
  dwelling(at: number): string[] {
    return this.#names((zone) => zone.dwells(at))
  }

  /** True after {@link STATIONARY}.ms without a move. */
  stationary(at: number): boolean {
    return at - this.#anchor.at >= STATIONARY.ms
  }

  /** Adds a detection. */
  update({ label, score, box }: Candidate, at: number): void {
    this.motion.update(box, at)
    this.#labelVoting.add(label, score)
    this.#seenAt = at
    this.#box = box
    this.#score = score
    this.#topScore = Math.max(this.#topScore, score)
    this.#detections++
    this.#missed = 0
    if (distance(box, this.#anchor.box) > STATIONARY.distance) this.#anchor = { box, at }
    for (const zone of this.#zones.values()) zone.update(this.label, box, at)
  }

  /** Counts an inference without a detection of this track. */
  miss(): void {
    this.#missed++
  }

  #names(met: (zone: ZoneDwell) => boolean): string[] {
    return [...this.#zones].filter(([, zone]) => met(zone)).map(([name]) => name)
  }
}
