import { LAYERS, type Layer } from '#bus/messages.ts'
import type { LayerLadder } from '#lib/layer-ladder.ts'

/** What a viewer may be shown: `auto` follows its link. */
export const MODES = ['auto', ...LAYERS] as const
export type Mode = (typeof MODES)[number]

interface Situation {
  /** bit/s that there is for video. */
  available: number
  /** bit/s at which others have a layer made: it cannot be had for less. */
  others: Partial<Record<Layer, number>>
  now: number
}

/** A viewer alone on a layer may get less than its best; much less, and the next layer looks better. */
const STAY = 0.75
const UP = 0.95
/** How long it must have looked good before a step up: at first, and after a step down. Milliseconds. */
const FIRST_HOLD = 400
const HOLD = 3_000
const LONGEST_HOLD = 6_000
/** A step down so soon after one up was one up too many. */
const REGRET = 10_000

/** Chooses the layer for one viewer: down at once, up after it has looked good for a while. */
export class LayerChoice {
  readonly #ladder: LayerLadder
  mode: Mode
  layer: Layer
  #goodSince: number | undefined
  #hold = FIRST_HOLD
  #upAt = Number.NEGATIVE_INFINITY

  constructor(ladder: LayerLadder, mode: Mode) {
    this.#ladder = ladder
    this.mode = mode
    this.layer = mode === 'auto' ? 'low' : mode
  }

  /** Looks at the situation and returns the layer to be shown. */
  update(situation: Situation): Layer {
    if (this.mode !== 'auto') this.#go(this.mode)
    else if (!this.#carries(this.layer, STAY, situation)) this.#down(situation)
    else this.#up(situation)
    return this.layer
  }

  #down(situation: Situation): void {
    const lower = LAYERS.slice(LAYERS.indexOf(this.layer) + 1)
    const layer = lower.find((one) => this.#carries(one, STAY, situation)) ?? lower.at(-1)
    if (!layer) return
    const regretted = situation.now - this.#upAt < REGRET
    this.#hold = regretted ? Math.min(LONGEST_HOLD, Math.max(HOLD, this.#hold * 2)) : HOLD
    this.#go(layer)
  }

  #up(situation: Situation): void {
    const higher = LAYERS.slice(0, LAYERS.indexOf(this.layer))
    const layer = higher.find((one) => this.#carries(one, UP, situation))
    if (!layer) {
      this.#goodSince = undefined
      return
    }
    this.#goodSince ??= situation.now
    if (situation.now - this.#goodSince < this.#hold) return
    this.#upAt = situation.now
    this.#go(layer)
  }

  #go(layer: Layer): void {
    this.layer = layer
    this.#goodSince = undefined
  }

  #carries(layer: Layer, share: number, { available, others }: Situation): boolean {
    const shared = others[layer] ?? 0
    return available >= Math.max(this.#ladder[layer].bitrate * share, shared * UP)
  }
}
