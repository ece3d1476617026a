import type { Bus } from '#bus/bus.ts'
import { topics } from '#bus/topics.ts'
import type { Logger } from '#lib/logger.ts'
import { createEventCounter, type EventCounter } from '#lib/metrics/event-counter.ts'
import type { Frame } from '../protocol/frame.ts'

/** Ten snapshots a second at most, however often the relay asks. */
const MIN_INTERVAL_MS = 100
/** Subscribed for this long after the last request: without viewers snapshots cost nothing. */
const IDLE_MS = 5_000
/** The relay takes frames of 1 MiB, and base64 adds a third. */
const MAX_SNAPSHOT_BYTES = 700 * 1024
/** Bytes that wait in the socket, above which a snapshot is discarded: acknowledgments must not wait for it. */
const MAX_BUFFERED_BYTES = 64 * 1024

interface SnapshotDeps {
  bus: Pick<Bus, 'publish' | 'subscribe'>
  log: Logger
  deviceId: string
  connection: { readonly bufferedBytes: number; send(frame: Frame): boolean }
  /** Shorter in tests. */
  idleMs?: number
}

/**
 * Answers `snapshot_request` with the next JPEG of `vision/frame`, for viewers whose WebRTC does not connect: one request at a
 * time, so that the newest frame is sent and none waits.
 */
export class SnapshotForwarder implements Disposable {
  readonly #deps: SnapshotDeps
  readonly #dropped: EventCounter
  #subscription: Promise<Disposable> | undefined
  /** Id of the request that the next JPEG answers. */
  #pending: { id: unknown } | undefined
  #askedAt = Number.NEGATIVE_INFINITY
  #timer: NodeJS.Timeout | undefined
  #idle: NodeJS.Timeout | undefined
  #closed = false

  constructor(deps: SnapshotDeps) {
    this.#deps = deps
    this.#dropped = createEventCounter(deps.log, 'snapshots for the relay dropped', { every: 10_000 })
  }

  /** The relay requests a snapshot. `id` comes back with it. A request that is not answered yet is replaced. */
  request({ id }: Frame): void {
    if (this.#closed) return
    this.#pending = { id: typeof id === 'number' ? id : undefined }
    if (this.#timer) return
    const wait = this.#askedAt + MIN_INTERVAL_MS - performance.now()
    this.#timer = setTimeout(() => this.#ask(), Math.max(0, wait))
  }

  [Symbol.dispose](): void {
    this.#closed = true
    clearTimeout(this.#timer)
    this.#unsubscribe()
    this.#dropped[Symbol.dispose]()
  }

  #ask(): void {
    this.#timer = undefined
    this.#askedAt = performance.now()
    clearTimeout(this.#idle)
    this.#idle = setTimeout(() => this.#unsubscribe(), this.#deps.idleMs ?? IDLE_MS).unref()
    this.#requestFrame().catch(() => {
      // a broker that is down, or a users file without the right: the bus logs it
      this.#subscription = undefined
      this.#dropped.count('not available on the bus')
    })
  }

  async #requestFrame(): Promise<void> {
    const { bus } = this.#deps
    this.#subscription ??= bus.subscribe(topics.frame, (jpeg) => this.#answer(jpeg))
    await this.#subscription
    if (!this.#closed) await bus.publish(topics.frameRequest, {})
  }

  #answer(jpeg: Buffer): void {
    const { connection, deviceId } = this.#deps
    const pending = this.#pending
    if (!pending) return
    this.#pending = undefined
    if (jpeg.length > MAX_SNAPSHOT_BYTES) this.#dropped.count('too large')
    else if (connection.bufferedBytes > MAX_BUFFERED_BYTES) this.#dropped.count('the relay reads too slowly')
    else
      connection.send({
        type: 'snapshot',
        device_id: deviceId,
        ...(pending.id === undefined ? {} : { id: pending.id }),
        data: jpeg.toString('base64'),
      })
  }

  /** Waits for nothing: without a broker a subscription stays pending, and the bridge must be able to stop. */
  #unsubscribe(): void {
    clearTimeout(this.#idle)
    this.#subscription?.then(
      (open) => open[Symbol.dispose](),
      () => {}, // counted
    )
    this.#subscription = undefined
    this.#pending = undefined
  }
}
