/** Weight of older scores at each new one. */
const DECAY = 0.9
/** A new label needs the score sum of the old one times `factor` plus `margin`. */
const SWITCH = { factor: 1.5, margin: 0.3 }
const MAX_LABELS = 8

/**
 * The label of a track, by the scores of all its detections: the default model takes some dogs for cats
 * (models/README.md), so single detections do not decide.
 */
export class LabelVoting {
  readonly #sums = new Map<string, number>()
  #label: string

  constructor(label: string, score: number) {
    this.#label = label
    this.#sums.set(label, score)
  }

  get label(): string {
    return this.#label
  }

  add(label: string, score: number): void {
    for (const [other, sum] of this.#sums) this.#sums.set(other, sum * DECAY)
    if (this.#sums.has(label) || this.#sums.size < MAX_LABELS) {
      this.#sums.set(label, this.#sumOf(label) + score)
    }
    const { factor, margin } = SWITCH
    if (this.#sumOf(label) > this.#sumOf(this.#label) * factor + margin) this.#label = label
  }

  #sumOf(label: string): number {
    return this.#sums.get(label) ?? 0
  }
}
