/** What older evidence weighs at each new piece of it. */
const FADE = 0.9
/** Another label must have that many times the evidence, and so much more. */
const CONVINCING = { times: 1.5, more: 0.3 }
const MOST_LABELS = 8

/**
 * What something is, by all that the detector has called it: a dog that is called a cat now and then stays a dog
 * (MODELS §5).
 */
export class Evidence {
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
    for (const [other, sum] of this.#sums) this.#sums.set(other, sum * FADE)
    if (this.#sums.has(label) || this.#sums.size < MOST_LABELS) {
      this.#sums.set(label, this.#of(label) + score)
    }
    const { times, more } = CONVINCING
    if (this.#of(label) > this.#of(this.#label) * times + more) this.#label = label
  }

  #of(label: string): number {
    return this.#sums.get(label) ?? 0
  }
}
