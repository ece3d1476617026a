import type { Frame } from 'node-av/lib'
import type { Bus } from '#bus/bus.ts'
import { topics } from '#bus/topics.ts'
import type { EventCounter } from '#lib/metrics/event-counter.ts'
import type { CapturedFrame } from '../frame/captured-frame.ts'
import { type ConflatingQueue, createConflatingQueue } from '../frame/conflating-queue.ts'
import type { LatestFrame } from '../frame/latest-frame.ts'
import { createThrottle } from '../frame/throttle.ts'
import { ScratchFrame } from '../image/scratch-frame.ts'
import type { OverlayRenderer } from '../overlay/overlay-renderer.ts'
import { JpegEncoder } from './jpeg.ts'

/** Age up to which the latest frame answers a request. */
const MAX_AGE_MS = 100

interface SnapshotOptions {
  bus: Bus
  /** Snapshots a second; 0 for only requested ones. */
  fps: number
  drops: EventCounter
  latestFrame: LatestFrame
  overlay: Pick<OverlayRenderer, 'paint'>
}

/** Publishes JPEG snapshots on `vision/frame`, periodically and on request. */
export class Snapshots implements AsyncDisposable {
  readonly #options: SnapshotOptions
  readonly #queue: ConflatingQueue<CapturedFrame>
  readonly #scratch = new ScratchFrame()
  readonly #isDue: (now: number) => boolean
  #encoder: JpegEncoder | undefined
  #requested = false
  #notBefore = Number.NEGATIVE_INFINITY

  constructor(options: SnapshotOptions) {
    this.#options = options
    this.#isDue = options.fps > 0 ? createThrottle(options.fps) : () => false
    this.#queue = createConflatingQueue(
      (captured) => this.#handle(captured),
      () => {}, // the newer frame is published instead
    )
  }

  /** Publishes the latest frame, or the next one if that is too old. */
  request(): void {
    const captured = this.#options.latestFrame.get(MAX_AGE_MS)
    if (captured) this.#queue.offer(captured)
    else this.#requested = true
  }

  /** Discards frames that were captured before now, and publishes the next one. */
  renew(): void {
    this.#notBefore = performance.now()
    this.#requested = true
  }

  offer(captured: CapturedFrame): void {
    if (captured.at < this.#notBefore) return
    const due = this.#isDue(captured.at)
    if (!due && !this.#requested) return
    this.#requested = false
    this.#queue.offer(captured.share())
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#queue[Symbol.asyncDispose]()
    this.#encoder?.[Symbol.dispose]()
    this.#scratch[Symbol.dispose]()
  }

  async #handle(captured: CapturedFrame): Promise<void> {
    try {
      const { pixels } = captured
      const { frame, planes } = await this.#scratch.fill(pixels, pixels)
      this.#options.overlay.paint(planes, captured)
      const encoder = await this.#encoderFor(frame)
      await this.#options.bus.publish(topics.frame, await encoder.encode(frame))
    } catch {
      // counted; the next snapshot gets a new encoder
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
