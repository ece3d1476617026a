import type { Bus } from '#bus/bus.ts'
import type { ClipStore } from './clip.ts'
import type { Recordings } from './recording/recordings.ts'
import type { GopRing } from './ring/gop-ring.ts'
import type { DiskGuard } from './store/disk-guard.ts'

const INTERVAL_MS = 10_000

interface StatePublisherOptions {
  bus: Bus
  store: ClipStore
  ring: GopRing
  recordings: Recordings
  disk: DiskGuard
  isPrivate(): boolean
}

/** `recorder/state`, on a change and every 10 s. */
export class StatePublisher implements Disposable {
  readonly #options: StatePublisherOptions
  readonly #timer: NodeJS.Timeout
  #pending: NodeJS.Immediate | undefined
  #disposed = false

  constructor(options: StatePublisherOptions) {
    this.#options = options
    this.#timer = setInterval(() => this.#publish(), INTERVAL_MS)
  }

  /** Several changes at once make one message. */
  changed(): void {
    if (this.#disposed) return
    this.#pending ??= setImmediate(() => {
      this.#pending = undefined
      this.#publish()
    })
  }

  [Symbol.dispose](): void {
    this.#disposed = true
    clearInterval(this.#timer)
    clearImmediate(this.#pending)
  }

  #publish(): void {
    const { bus, store, ring, recordings, disk, isPrivate } = this.#options
    const clips = store.list()
    bus.setState({
      recording: recordings.active,
      error: isPrivate() ? null : (recordings.stopped ?? null),
      private: isPrivate(),
      clips: clips.length,
      bytes: clips.reduce((sum, { bytes }) => sum + bytes, 0),
      free_bytes: disk.freeBytes,
      buffer: ring.summary,
    })
  }
}
