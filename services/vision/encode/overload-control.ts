import { EventEmitter } from 'node:events'
import type { Logger } from '#lib/logger.ts'
import { PercentileWindow, percentilesOf } from '#lib/metrics/percentile-window.ts'

/** What one second of video was like. */
export interface LoadSample {
  /** Frames published, and frames dropped because the encoder was busy. */
  published: number
  dropped: number
  /** 95th percentile of the frame age at publication, in ms. */
  age: number
  /** This process is CPU-starved. */
  isStarved?: boolean
}

/** What is reduced, from nothing to nearly all. The detection rate gives way first, then the frame size, never the latency. */
export interface Reduction {
  /** Fraction of the configured detection rate. */
  detection: number
  /** Steps down the layer ladder of each layer's frame size. */
  steps: number
}

const NONE: Reduction = { detection: 1, steps: 0 }
const REDUCTIONS: readonly Reduction[] = [
  NONE,
  { detection: 0.5, steps: 0 },
  { detection: 0.2, steps: 0 },
  { detection: 0.2, steps: 1 },
  { detection: 0.2, steps: 2 },
]

/** Overload: more than this fraction of the frames dropped, or a frame age above this, in ms. */
const OVERLOADED = { dropped: 0.1, age: 100 }
/** Spare capacity: no more than this. */
const CALM = { dropped: 0, age: 60 }
/**
 * Where other processes take the CPU, late frames are no reason for smaller ones: an encoder that opens with a keyframe costs
 * more than it saves. Only when more than this fraction of the frames is dropped.
 */
const STARVED_DROPPED = 0.4
const OVERLOADED_SECONDS = 2
/** Without video in demand for this long nothing is reduced: there is nothing to keep up with. */
const IDLE_SECONDS = 5
/** Calm seconds before a step back; doubled after each step back that led to overload. */
const CALM_SECONDS = { first: 10, max: 160 }

/**
 * Chooses the reduction second by second: a step down at once, a step back after a calm period that grows with every
 * failed attempt.
 */
export class OverloadPolicy {
  #level = 0
  #overloaded = 0
  #calm = 0
  #idle = 0
  #patience = CALM_SECONDS.first
  #secondsSinceStepBack = Number.POSITIVE_INFINITY

  get level(): number {
    return this.#level
  }

  get reduction(): Reduction {
    return REDUCTIONS[this.#level] ?? NONE
  }

  /** Adds a second; returns whether the reduction has changed. `detecting`: false where a lower detection rate has no effect. */
  update(sample: LoadSample, detecting: boolean): boolean {
    const before = this.#level
    const { published, dropped, age } = sample
    if (published + dropped === 0) return this.#idleSecond()
    this.#idle = 0
    const droppedFraction = dropped / Math.max(1, published + dropped)
    const isOverloaded = droppedFraction > OVERLOADED.dropped || age > OVERLOADED.age
    const isCalm = droppedFraction <= CALM.dropped && age < CALM.age
    this.#secondsSinceStepBack++
    this.#overloaded = isOverloaded ? this.#overloaded + 1 : 0
    this.#calm = isCalm ? this.#calm + 1 : 0
    const mayShrink = !sample.isStarved || droppedFraction > STARVED_DROPPED
    if (this.#overloaded >= OVERLOADED_SECONDS) this.#stepDown(detecting, mayShrink)
    else if (this.#calm >= this.#patience) this.#stepBack(detecting)
    return this.#level !== before
  }

  /** A second without video proves neither overload nor spare capacity. */
  #idleSecond(): boolean {
    if (++this.#idle !== IDLE_SECONDS || this.#level === 0) return false
    this.#level = 0
    this.#overloaded = 0
    this.#calm = 0
    return true
  }

  #stepDown(detecting: boolean, mayShrink: boolean): void {
    const next = REDUCTIONS.findIndex(
      (reduction, i) => i > this.#level && (detecting || helpsVideo(reduction)),
    )
    const isShrinking = (REDUCTIONS[next]?.steps ?? 0) > this.reduction.steps
    if (isShrinking && !mayShrink) return
    this.#overloaded = 0
    const relapsed = this.#secondsSinceStepBack <= this.#patience
    this.#patience = relapsed ? Math.min(CALM_SECONDS.max, this.#patience * 2) : CALM_SECONDS.first
    if (next > 0) this.#level = next
  }

  #stepBack(detecting: boolean): void {
    this.#calm = 0
    if (this.#level === 0) return
    this.#secondsSinceStepBack = 0
    this.#level--
    // without a detector the levels that reduce only detection have no effect
    while (!detecting && this.#level > 0 && !helpsVideo(this.reduction)) this.#level--
  }
}

function helpsVideo({ steps }: Reduction): boolean {
  return steps > 0
}

/** What is reduced, for the log. */
function describe({ detection, steps }: Reduction): string {
  const shed = [
    ...(detection < 1 ? [`detections at ${detection * 100} % of their rate`] : []),
    ...(steps > 0 ? [`frames ${steps} ${steps === 1 ? 'step' : 'steps'} smaller`] : []),
  ]
  return shed.join(', ') || 'nothing'
}

const SAMPLE_INTERVAL_MS = 1_000

interface OverloadEvents {
  /** The reduction has changed. */
  change: [reduction: Reduction]
}

/** Measures whether the machine keeps up with the video, and emits what to reduce when it does not. */
export class OverloadControl extends EventEmitter<OverloadEvents> implements Disposable {
  readonly #log: Logger
  readonly #isStarved: () => boolean
  readonly #policy = new OverloadPolicy()
  readonly #age = new PercentileWindow()
  readonly #encoding = new PercentileWindow()
  /** True while a detector is running whose rate can be reduced. */
  detecting = false
  #ages: number[] = []
  #dropped = 0
  #starved = false
  #timer: NodeJS.Timeout | undefined

  /** `isStarved`: whether this process is CPU-starved. */
  constructor(log: Logger, isStarved = () => false) {
    super()
    this.#log = log
    this.#isStarved = isStarved
  }

  start(): void {
    this.#timer = setInterval(() => this.#sample(), SAMPLE_INTERVAL_MS).unref()
  }

  /** A frame was published `age` ms after its capture, of which its encoder took `encoding`. */
  published({ age, encoding }: { age: number; encoding: number }): void {
    this.#ages.push(age)
    this.#starved ||= this.#isStarved()
    this.#age.add(age)
    this.#encoding.add(encoding)
  }

  /** A frame was dropped because its encoder was busy. */
  dropped(): void {
    this.#dropped++
  }

  /** `load` in `vision/state`: frame age at publication, encoding time, and what is reduced. */
  get summary() {
    return {
      age_ms: this.#age.percentiles(),
      encode_ms: this.#encoding.percentiles(),
      level: this.#policy.level,
      ...this.#policy.reduction,
    }
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer)
  }

  #sample(): void {
    const sample = {
      published: this.#ages.length,
      dropped: this.#dropped,
      age: percentilesOf(this.#ages)?.p95 ?? 0,
      isStarved: this.#starved,
    }
    this.#ages = []
    this.#dropped = 0
    this.#starved = false
    const before = this.#policy.level
    if (!this.#policy.update(sample, this.detecting)) return
    const { level, reduction } = this.#policy
    const { age: age_ms, published: published_fps, dropped: dropped_fps } = sample
    const fields = { overload: level, age_ms, published_fps, dropped_fps, shed: describe(reduction) }
    if (level > before) this.#log.warn(fields, 'overload level raised')
    else this.#log.info(fields, 'overload level lowered')
    this.emit('change', reduction)
  }
}
