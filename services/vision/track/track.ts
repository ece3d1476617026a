import type { ZoneSection } from '../config.ts'
import type { Box, Candidate } from '../detect/nms.ts'
import { distance } from './box.ts'
import { Evidence } from './label-voting.ts'
import { Motion } from './motion.ts'
import { Stay } from './zone.ts'

/** Whose middle stays within this part of its size, for this long in ms, is stationary. */
const STILL = { within: 0.12, for: 3_000 }
/** A first sight this sure needs no second one. */
const SURE = 0.7
/** How many sights make a track otherwise. */
const SIGHTS = 2

/** Something that is seen, and seen again. Times in milliseconds of a monotonic clock. */
export class Track {
  readonly id: number
  readonly startedAt: number
  readonly motion: Motion
  readonly #evidence: Evidence
  readonly #stays: ReadonlyMap<string, Stay>
  #seenAt: number
  #box: Box
  #score: number
  #topScore: number
  #sights = 1
  #missed = 0
  #anchor: { box: Box; at: number }

  constructor(id: number, seen: Candidate, at: number, zones: Readonly<Record<string, ZoneSection>>) {
    this.id = id
    this.startedAt = at
    this.motion = new Motion(seen.box, at)
    this.#evidence = new Evidence(seen.label, seen.score)
    this.#stays = new Map(Object.entries(zones).map(([name, zone]) => [name, new Stay(zone)]))
    this.#seenAt = at
    this.#box = seen.box
    this.#score = seen.score
    this.#topScore = seen.score
    this.#anchor = { box: seen.box, at }
    for (const stay of this.#stays.values()) stay.update(seen.label, seen.box, at)
  }

  get label(): string {
    return this.#evidence.label
  }

  /** Of the last sight. */
  get score(): number {
    return this.#score
  }

  get topScore(): number {
    return this.#topScore
  }

  /** As measured last. */
  get box(): Box {
    return this.#box
  }

  get seenAt(): number {
    return this.#seenAt
  }

  /** Inferences since the last sight. */
  get missed(): number {
    return this.#missed
  }

  /** Seen often or surely enough to be told of. */
  get confirmed(): boolean {
    return this.#sights >= SIGHTS || this.#topScore >= SURE
  }

  get zones(): string[] {
    return this.#names(({ inside }) => inside)
  }

  get enteredZones(): string[] {
    return this.#names(({ entered }) => entered)
  }

  /** Zones in which it has stayed for their `dwell` at this time. */
  dwelling(at: number): string[] {
    return this.#names((stay) => stay.dwells(at))
  }

  /** It has stayed where it is for a while. */
  stationary(at: number): boolean {
    return at - this.#anchor.at >= STILL.for
  }

  see({ label, score, box }: Candidate, at: number): void {
    this.motion.update(box, at)
    this.#evidence.add(label, score)
    this.#seenAt = at
    this.#box = box
    this.#score = score
    this.#topScore = Math.max(this.#topScore, score)
    this.#sights++
    this.#missed = 0
    if (distance(box, this.#anchor.box) > STILL.within) this.#anchor = { box, at }
    for (const stay of this.#stays.values()) stay.update(this.label, box, at)
  }

  miss(): void {
    this.#missed++
  }

  #names(met: (stay: Stay) => boolean): string[] {
    return [...this.#stays].filter(([, stay]) => met(stay)).map(([name]) => name)
  }
}
