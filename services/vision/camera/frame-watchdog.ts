/** Longest wait for data of a source, before its first frame: cameras warm up, streams connect. */
const FIRST_DATA_TIMEOUT_MS = 10_000
/** Longest wait for a frame while data arrives: the next keyframe of a camera may be this far away. */
const FRAME_TIMEOUT_MS = 60_000
/** A camera fails after this many of its frame intervals without data, within these bounds. */
const INTERVALS = 3
const MIN_TIMEOUT_MS = 2_000
const MAX_TIMEOUT_MS = 35_000
/** Longest wait for the second frame of a network camera: the interval is not known yet, and may be 10 s. */
const SECOND_FRAME_TIMEOUT_MS = 12_000
/** Weight of the newest interval; a longer one counts at once, so that a slowing camera is not lost. */
const SMOOTHING = 0.3

/**
 * Detects a source that delivers nothing. What counts as too long is learned from the interval of its frames, so that a
 * slow camera is not lost and a fast one is noticed soon.
 */
export class FrameWatchdog implements Disposable {
  readonly #onTimeout: (reason: string) => void
  readonly #mayBeSlow: boolean
  readonly #start = performance.now()
  #timer: NodeJS.Timeout | undefined
  #lastFrame: number | undefined
  #interval: number | undefined

  /** `onTimeout` is called with the reason. `mayBeSlow`: a network camera, which has a frame rate of its own. */
  constructor({ mayBeSlow }: { mayBeSlow: boolean }, onTimeout: (reason: string) => void) {
    this.#mayBeSlow = mayBeSlow
    this.#onTimeout = onTimeout
    this.data()
  }

  get hasFrames(): boolean {
    return this.#lastFrame !== undefined
  }

  /** Interval of the frames, ms; undefined before the second. */
  get interval(): number | undefined {
    return this.#interval
  }

  /** A frame has arrived. */
  frame(): void {
    const now = performance.now()
    if (this.#lastFrame !== undefined) this.#learn(now - this.#lastFrame)
    this.#lastFrame = now
    this.data()
  }

  /** Data has arrived, but perhaps no frame yet. */
  data(): void {
    clearTimeout(this.#timer)
    const sinceFrame = performance.now() - (this.#lastFrame ?? this.#start)
    const left = FRAME_TIMEOUT_MS - sinceFrame
    const timeout = this.#timeout
    const [wait, reason] =
      left < timeout
        ? [left, `data, but no frame for ${FRAME_TIMEOUT_MS / 1000} s`]
        : [
            timeout,
            this.hasFrames ? `no frame for ${Math.round(timeout / 1000)} s` : 'no first frame within 10 s',
          ]
    this.#timer = setTimeout(() => this.#onTimeout(reason), Math.max(0, wait))
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer)
  }

  get #timeout(): number {
    if (!this.hasFrames) return FIRST_DATA_TIMEOUT_MS
    if (this.#interval === undefined) return this.#mayBeSlow ? SECOND_FRAME_TIMEOUT_MS : MIN_TIMEOUT_MS
    return Math.max(MIN_TIMEOUT_MS, Math.min(MAX_TIMEOUT_MS, this.#interval * INTERVALS))
  }

  #learn(interval: number): void {
    const known = this.#interval ?? interval
    this.#interval = interval > known ? interval : known + (interval - known) * SMOOTHING
  }
}
