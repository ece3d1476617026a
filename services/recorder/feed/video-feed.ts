import { EventEmitter } from 'node:events'
import { decodeAccessUnit } from '#bus/access-unit.ts'
import type { Bus } from '#bus/bus.ts'
import type { Layer } from '#bus/messages.ts'
import { topics } from '#bus/topics.ts'
import type { Logger } from '#lib/logger.ts'
import type { EventCounter } from '#lib/metrics/event-counter.ts'
import type { VideoFrame } from '../ring/gop-ring.ts'
import { CaptureClock } from './capture-clock.ts'
import { DemandSwitch } from './demand-switch.ts'

interface VideoFeedEvents {
  frame: [frame: VideoFrame]
}

interface VideoFeedOptions {
  bus: Bus
  log: Logger
  lost: EventCounter
  layer: Layer
  /** bit/s */
  bitrate: number
  /** ms */
  keyframeInterval: number
}

/** A request is repeated after this time: vision may have been starting. */
const REQUEST_INTERVAL_MS = 500
/** Half a frame: the next one would be late. */
const EARLY_MS = 33

/** The frames of one layer while they are wanted: demand, keyframe requests, losses. */
export class VideoFeed extends EventEmitter<VideoFeedEvents> implements AsyncDisposable {
  readonly #options: VideoFeedOptions
  readonly #clock = new CaptureClock()
  readonly #demand: DemandSwitch
  #counter: number | undefined
  #index = 0
  /** Nothing can be decoded before a keyframe. */
  #needsKeyframe = true
  #keyframeAt = -Infinity
  #requestedAt = -Infinity

  constructor(options: VideoFeedOptions) {
    super()
    this.#options = options
    const { bus, log, layer, bitrate } = options
    this.#demand = new DemandSwitch({
      on: async () => {
        this.#needsKeyframe = true
        this.#counter = undefined
        const subscription = await bus.subscribe(topics.video, (bytes) => this.#receive(bytes), { layer })
        const demand = { codec: 'h264' as const, layers: { [layer]: { bitrate } } }
        await bus.publish(topics.demand, demand, { who: 'recorder' })
        this.#request()
        return subscription
      },
      off: () => bus.publish(topics.demand, null, { who: 'recorder' }),
      onFailed: (err) =>
        log.error(
          { err, layer },
          'no video to record: check the rules of user recorder in broker.users_file',
        ),
    })
  }

  /** Whether vision encodes the layer for the recorder. */
  get wanted(): boolean {
    return this.#demand.wanted
  }

  set wanted(wanted: boolean) {
    this.#demand.wanted = wanted
  }

  /** Withdraws the demand of an earlier run, which may have been killed. */
  async reset(): Promise<void> {
    await this.#demand.reset()
  }

  /** Whether frames are of the camera, not a placeholder. */
  live = true

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#demand[Symbol.asyncDispose]()
  }

  #receive(bytes: Buffer): void {
    if (!this.wanted) return
    const unit = decodeAccessUnit(bytes)
    const last = this.#counter
    this.#counter = unit.frame
    const isNext = last !== undefined && unit.frame === (last + 1) >>> 0
    const capturedAt = Number(unit.capturedAt / 1_000n)
    const at = this.#clock.place({
      timestamp: unit.rtpTimestamp,
      capturedAt,
      continues: isAfter(unit.frame, last),
    })
    if (!isNext && last !== undefined) this.#lose(unit.frame, last)
    if (unit.keyframe) {
      this.#keyframeAt = at
      this.#needsKeyframe = false
    }
    if (this.#needsKeyframe) {
      this.#request()
      return
    }
    if (at - this.#keyframeAt >= this.#options.keyframeInterval - EARLY_MS) this.#request()
    const { keyframe, data } = unit
    this.emit('frame', { index: ++this.#index, at, capturedAt, keyframe, live: this.live, data })
  }

  #lose(frame: number, last: number): void {
    const count = (frame - last - 1) >>> 0
    this.#options.lost.count(count < 1_000 ? 'lost' : 'source restarted', count < 1_000 ? count : 1)
    this.#needsKeyframe = true
    this.#index++
  }

  #request(): void {
    const now = performance.now()
    if (now - this.#requestedAt < REQUEST_INTERVAL_MS) return
    this.#requestedAt = now
    const { bus, log, layer } = this.#options
    bus
      .publish(topics.keyframe, {}, { layer })
      .catch((err: unknown) => log.warn({ err }, 'keyframe request not published'))
  }
}

/** A counter that starts again belongs to another run of vision, whose RTP clock may differ. */
function isAfter(frame: number, last: number | undefined): boolean {
  return last !== undefined && (frame - last) >>> 0 < 1_000
}
