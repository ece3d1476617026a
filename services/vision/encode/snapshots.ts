import type { Frame } from 'node-av'
import type { EventCounter } from '#lib/metrics/event-counter.ts'
import type { CapturedFrame } from '../frame/captured-frame.ts'
import { createLatest, type Latest } from '../frame/conflating-queue.ts'
import type { Newest } from '../frame/latest-frame.ts'
import { createThrottle } from '../frame/throttle.ts'
import type { Planes } from '../image/pixels.ts'
import { Canvas } from '../image/scratch-frame.ts'
import { JpegEncoder } from './jpeg.ts'

/** A picture this old is of now, ms. */
const FRESH = 100

export interface SnapshotOptions {
  /** Pictures a second; 0 for only those asked for. */
  fps: number
  drops: EventCounter
  newest: Newest
  paint(planes: Planes, captured: CapturedFrame): void
  publish(jpeg: Buffer): Promise<void>
}

/** Publishes the picture as a JPEG now and then, and when somebody asks. */
export class Snapshots implements AsyncDisposable {
  readonly #options: SnapshotOptions
  readonly #latest: Latest<CapturedFrame>
  readonly #canvas = new Canvas()
  readonly #isDue: (now: number) => boolean
  #encoder: JpegEncoder | undefined
  #asked = false

  constructor(options: SnapshotOptions) {
    this.#options = options
    this.#isDue = options.fps > 0 ? createThrottle(options.fps) : () => false
    this.#latest = createLatest(
      (captured) => this.#handle(captured),
      () => {}, // the newer one is published instead
    )
  }

  /** The picture of now is published, or the next one if that is old. */
  request(): void {
    const captured = this.#options.newest.get(FRESH)
    if (captured) this.#latest.offer(captured)
    else this.#asked = true
  }

  offer(captured: CapturedFrame): void {
    const due = this.#isDue(captured.at)
    if (!due && !this.#asked) return
    this.#asked = false
    this.#latest.offer(captured.share())
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#latest[Symbol.asyncDispose]()
    this.#encoder?.[Symbol.dispose]()
    this.#canvas[Symbol.dispose]()
  }

  async #handle(captured: CapturedFrame): Promise<void> {
    try {
      const { pixels } = captured
      const { frame, planes } = await this.#canvas.fill(pixels, pixels)
      this.#options.paint(planes, captured)
      const encoder = await this.#encoderFor(frame)
      await this.#options.publish(await encoder.encode(frame))
    } catch {
      // counted, and done better next time with a new encoder
      this.#options.drops.count('snapshot_failed')
      this.#encoder?.[Symbol.dispose]()
      this.#encoder = undefined
    }
  }

  async #encoderFor(frame: Frame): Promise<JpegEncoder> {
    if (this.#encoder?.fits(frame)) return this.#encoder
    this.#encoder?.[Symbol.dispose]()
    this.#encoder = undefined
    this.#encoder = await JpegEncoder.open(frame)
    return this.#encoder
  }
}
