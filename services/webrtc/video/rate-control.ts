/**
 * Decides the layer and the bitrate of one viewer. Inputs: the estimated capacity of the path
 * (`congestion/estimator.ts`), the mode that the viewer has set (`set_video_quality`), the ladder (`lib/layer-ladder.ts`)
 * the bitrates that other viewers demand, and whether this process is CPU-starved (`lib/process/scheduling-delay.ts`, which
 * has the thresholds of that). Outputs: the layer to show, the bitrate to demand from vision for it, when a too large layer
 * pauses, and when to probe for more. Every other threshold of these decisions is in this file.
 */
import { LAYERS, type Layer } from '#bus/messages.ts'
import type { LayerLadder } from '#lib/layer-ladder.ts'
import type { Estimator } from '../congestion/estimator.ts'

/** What a viewer may be shown: `auto` follows the path. */
export const MODES = ['auto', ...LAYERS] as const
export type Mode = (typeof MODES)[number]

/** Part of the estimate for audio (bit/s), and the share of the rest that is not headers and retransmissions. */
const AUDIO_BITRATE = 30_000
const VIDEO_SHARE = 0.88
const MIN_VIDEO_BITRATE = 150_000
/** A layer this much above the available bitrate pauses while a smaller one starts. */
const PAUSE_ABOVE = 1.3
/** A demanded bitrate is published again when it drops or jumps this far; slow growth at most twice a second. */
const DEMAND_DROP = 0.95
const DEMAND_JUMP = 1.1
const DEMAND_GROWTH = 1.01
const DEMAND_GROWTH_INTERVAL_MS = 500

interface RateControlOptions {
  ladder: LayerLadder
  mode: Mode
  estimator: Estimator
  /** Estimate above which a probe is useless, in bit/s. */
  maxEstimate: number
  /** Whether this process is CPU-starved. */
  isStarved?: () => boolean
}

/** Decisions of one moment. */
interface RateDecision {
  layer: Layer
  /** bit/s to probe at now. */
  probe: number | undefined
}

export class RateControl {
  readonly #ladder: LayerLadder
  readonly #estimator: Estimator
  readonly #choice: LayerChoice
  readonly #prober: Prober
  readonly #isStarved: () => boolean

  constructor({ ladder, mode, estimator, maxEstimate, isStarved = () => false }: RateControlOptions) {
    this.#isStarved = isStarved
    this.#ladder = ladder
    this.#estimator = estimator
    this.#choice = new LayerChoice(ladder, mode)
    this.#prober = new Prober(maxEstimate)
  }

  get mode(): Mode {
    return this.#choice.mode
  }

  set mode(mode: Mode) {
    this.#choice.mode = mode
  }

  /** The chosen layer. */
  get layer(): Layer {
    return this.#choice.layer
  }

  /** bit/s to demand for a layer. */
  bitrate(layer: Layer): number {
    return Math.round(Math.min(this.#ladder[layer].bitrate, Math.max(MIN_VIDEO_BITRATE, this.#available)))
  }

  /** Whether video of this bitrate (bit/s) has to pause until a smaller layer starts. */
  mustPause(bitrate: number): boolean {
    return bitrate > this.#available * PAUSE_ABOVE
  }

  /** `others`: bit/s that other viewers demand of each layer. `now` in ms. */
  decide(others: Partial<Record<Layer, number>>, now: number): RateDecision {
    const isStarved = this.#isStarved()
    const layer = this.#choice.update({ available: this.#available, others, isStarved, now })
    return { layer, probe: this.#prober.next(this.#estimator, now) }
  }

  /** bit/s of the path for video. */
  get #available(): number {
    return Math.max(0, this.#estimator.target - AUDIO_BITRATE) * VIDEO_SHARE
  }
}

/** Whether a new bitrate (bit/s) is worth a demand; `sinceRaise`: ms since the last one that raised it. */
export function isWorthDemanding(from: number, to: number, sinceRaise: number): boolean {
  if (to > from * DEMAND_JUMP || to < from * DEMAND_DROP) return true
  return to > from * DEMAND_GROWTH && sinceRaise > DEMAND_GROWTH_INTERVAL_MS
}

interface Situation {
  /** bit/s of the path for video. */
  available: number
  /** bit/s that other viewers demand of each layer: it cannot be encoded at less. */
  others: Partial<Record<Layer, number>>
  /** This process is CPU-starved: another layer costs a further encoder, and the estimate is uncertain. */
  isStarved?: boolean
  now: number
}

/** Share of a layer's bitrate below which a viewer that is alone on it looks better on the next layer. */
const STAY_SHARE = 0.75
const UP_SHARE = 0.95
/** Time that a higher layer must have been possible: at first, after a step down, and at most. */
const FIRST_HOLD_MS = 400
const HOLD_MS = 3_000
const MAX_HOLD_MS = 6_000
/** While this process is CPU-starved a lower layer must have been needed, or a higher one possible, for this long. */
const STARVED_HOLD_MS = 3_000
/** A step down this soon after a step up doubles the hold. */
const REGRET_MS = 10_000

/** Chooses the layer: down at once, up after the path has allowed it for a while. */
export class LayerChoice {
  readonly #ladder: LayerLadder
  mode: Mode
  layer: Layer
  #possibleSince: number | undefined
  #excessiveSince: number | undefined
  #hold = FIRST_HOLD_MS
  #upAt = Number.NEGATIVE_INFINITY

  constructor(ladder: LayerLadder, mode: Mode) {
    this.#ladder = ladder
    this.mode = mode
    this.layer = mode === 'auto' ? 'low' : mode
  }

  /** Returns the layer to be shown. */
  update(situation: Situation): Layer {
    if (this.mode !== 'auto') this.#choose(this.mode)
    else if (this.#carries(this.layer, STAY_SHARE, situation)) this.#stayOrUp(situation)
    else this.#stayOrDown(situation)
    return this.layer
  }

  #stayOrUp(situation: Situation): void {
    this.#excessiveSince = undefined
    this.#up(situation)
  }

  #stayOrDown(situation: Situation): void {
    const { now, isStarved } = situation
    this.#excessiveSince ??= now
    if (!isStarved || now - this.#excessiveSince >= STARVED_HOLD_MS) this.#down(situation)
  }

  #down(situation: Situation): void {
    const lower = LAYERS.slice(LAYERS.indexOf(this.layer) + 1)
    const layer = lower.find((one) => this.#carries(one, STAY_SHARE, situation)) ?? lower.at(-1)
    if (!layer) return
    const regretted = situation.now - this.#upAt < REGRET_MS
    this.#hold = regretted ? Math.min(MAX_HOLD_MS, Math.max(HOLD_MS, this.#hold * 2)) : HOLD_MS
    this.#choose(layer)
  }

  #up(situation: Situation): void {
    const higher = LAYERS.slice(0, LAYERS.indexOf(this.layer))
    const layer = higher.find((one) => this.#carries(one, UP_SHARE, situation))
    if (!layer) {
      this.#possibleSince = undefined
      return
    }
    this.#possibleSince ??= situation.now
    const hold = situation.isStarved ? Math.max(STARVED_HOLD_MS, this.#hold) : this.#hold
    if (situation.now - this.#possibleSince < hold) return
    this.#upAt = situation.now
    this.#choose(layer)
  }

  #choose(layer: Layer): void {
    this.layer = layer
    this.#possibleSince = undefined
    this.#excessiveSince = undefined
  }

  #carries(layer: Layer, share: number, { available, others }: Situation): boolean {
    const shared = others[layer] ?? 0
    return available >= Math.max(this.#ladder[layer].bitrate * share, shared * UP_SHARE)
  }
}

/** Intervals of probes: in the first seconds, later, and after a probe that raised the estimate. */
const FIRST_PROBE_INTERVAL_MS = 1_000
const PROBE_INTERVAL_MS = 5_000
const FIRST_SECONDS_MS = 10_000
const PROBE_INTERVAL_AFTER_SUCCESS_MS = 400
const SUCCESS = 1.1
/** The path must have been clear for this long. */
const CLEAR_MS = 1_000
const MAX_PROBE_LOSS = 0.08
/** Multiple of the estimate: the first probe (draft-ietf-rmcat-gcc starts its ramp-up at three times) and the others. */
const FIRST_PROBE_STEP = 3
const PROBE_STEP = 2
const NEAR_MAX = 0.95

/** Decides when to probe for more than the estimate. Never before the viewer has confirmed that media arrives. */
export class Prober {
  readonly #max: number
  #confirmedAt: number | undefined
  #congestedAt = Number.NEGATIVE_INFINITY
  #last: { at: number; target: number } | undefined

  /** `max`: highest useful estimate, in bit/s. */
  constructor(max: number) {
    this.#max = max
  }

  /** bit/s to probe at now, or undefined; `now` in ms. */
  next(estimator: Estimator, now: number): number | undefined {
    if (estimator.congested) this.#congestedAt = now
    if (!estimator.confirmed || !estimator.hasFeedback(now)) return undefined
    this.#confirmedAt ??= now
    const { target } = estimator
    const clear = now - this.#congestedAt >= CLEAR_MS && (estimator.loss ?? 0) <= MAX_PROBE_LOSS
    if (!clear || target >= this.#max * NEAR_MAX) return undefined
    if (now - (this.#last?.at ?? 0) < this.#interval(target, now)) return undefined
    const step = this.#last ? PROBE_STEP : FIRST_PROBE_STEP
    this.#last = { at: now, target }
    return Math.min(this.#max, target * step)
  }

  #interval(target: number, now: number): number {
    if (!this.#last) return Number.NEGATIVE_INFINITY
    if (target > this.#last.target * SUCCESS) return PROBE_INTERVAL_AFTER_SUCCESS_MS
    const first = now - (this.#confirmedAt ?? now) < FIRST_SECONDS_MS
    return first ? FIRST_PROBE_INTERVAL_MS : PROBE_INTERVAL_MS
  }
}
