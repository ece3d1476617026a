/** What one second of video was like. */
export interface Second {
  /** Pictures published, and left out because the encoder was still busy. */
  published: number
  dropped: number
  /** 95th percentile of their age when they were published, ms. */
  age: number
}

/** What is done without, from nothing to nearly all. Detection gives way first, then the size of the picture, its age never. */
export interface Relief {
  /** Share of the detections a second that are configured. */
  detection: number
  /** How many layers down the ladder each one's pictures are made. */
  steps: number
}

const NONE: Relief = { detection: 1, steps: 0 }
const RELIEFS: readonly Relief[] = [
  NONE,
  { detection: 0.5, steps: 0 },
  { detection: 0.2, steps: 0 },
  { detection: 0.2, steps: 1 },
  { detection: 0.2, steps: 2 },
]

/** More than this share of the pictures left out, or an age beyond this in ms: the machine does not keep up. */
const BUSY = { dropped: 0.1, age: 100 }
/** It does, with room to spare. */
const CALM = { dropped: 0, age: 60 }
/** Seconds in a row that decide. */
const BUSY_FOR = 2
/** One more step is tried after that; twice as long after each that was too early. */
const CALM_FOR = { first: 10, most: 160 }

/**
 * Decides what to do without when a machine does not keep up, second by second: down at once, up after a while of
 * calm that grows with every vain try.
 */
export class Governor {
  #level = 0
  #busy = 0
  #calm = 0
  #patience = CALM_FOR.first
  /** Seconds since the last step up. */
  #risen = Number.POSITIVE_INFINITY

  get level(): number {
    return this.#level
  }

  get relief(): Relief {
    return RELIEFS[this.#level] ?? NONE
  }

  /** Takes a second into account and returns whether the relief has changed. `detecting`: would less detection help? */
  judge(second: Second, detecting: boolean): boolean {
    const before = this.#level
    const { published, dropped, age } = second
    const missing = dropped / Math.max(1, published + dropped)
    this.#risen++
    this.#busy = missing > BUSY.dropped || age > BUSY.age ? this.#busy + 1 : 0
    this.#calm = missing <= CALM.dropped && age < CALM.age ? this.#calm + 1 : 0
    if (this.#busy >= BUSY_FOR) this.#fall(detecting)
    else if (this.#calm >= this.#patience) this.#rise(detecting)
    return this.#level !== before
  }

  #fall(detecting: boolean): void {
    this.#busy = 0
    const relapsed = this.#risen <= this.#patience
    this.#patience = relapsed ? Math.min(CALM_FOR.most, this.#patience * 2) : CALM_FOR.first
    const next = RELIEFS.findIndex((relief, i) => i > this.#level && (detecting || helpsVideo(relief)))
    if (next > 0) this.#level = next
  }

  #rise(detecting: boolean): void {
    this.#calm = 0
    if (this.#level === 0) return
    this.#risen = 0
    this.#level--
    // without a detector the levels of detection alone make no difference
    while (!detecting && this.#level > 0 && !helpsVideo(this.relief)) this.#level--
  }
}

function helpsVideo({ steps }: Relief): boolean {
  return steps > 0
}
