/**
 * The speaker: plays blocks of 20 ms at the pace of the clock, and opens the device only while there is sound. `sinks/` has one
 * file for each kind of device. Nothing here waits for a device.
 */
import { EventEmitter } from 'node:events'
import { createBackoff } from '#lib/backoff.ts'
import type { Logger } from '#lib/logger.ts'
import type { EventCounter } from '#lib/metrics/event-counter.ts'
import { BLOCK_MS, BLOCK_SAMPLES } from '../sound/format.ts'
import type { OpenSink, Sink } from './sinks/sink.ts'

/** Where blocks come from. */
export interface SoundSource {
  readonly kind: 'talk' | 'clip'
  /** Whether it has, or soon will have, something to play. */
  readonly active: boolean
  /** The block that is due at this time (`performance.now()`), valid until the next call; undefined for silence. */
  next(due: number): Int16Array | undefined
}

interface SpeakerEvents {
  /** {@link Speaker.summary} or {@link Speaker.playing} has changed. */
  change: []
}

interface SpeakerOptions {
  type: string
  openSink: OpenSink
  /** The first active one is played. */
  sources: readonly SoundSource[]
  volume: number
  drops: EventCounter
  log: Logger
  retry?: { first: number; cap: number; least: number }
}

const RETRY = { first: 500, cap: 10_000, least: 250 }
/** The device is closed after this time without sound. */
const CLOSE_AFTER_MS = 2_000
/** A device that takes nothing for this long is opened again. */
const STALLED_MS = 1_000
/** A device works when it has taken sound for this long. */
const WORKS_AFTER_MS = 400
/** A delay of the process that is longer is skipped, not played faster. */
const MAX_BEHIND_MS = 100

export class Speaker extends EventEmitter<SpeakerEvents> implements AsyncDisposable {
  #volume: number
  readonly #options: SpeakerOptions
  readonly #backoff: ReturnType<typeof createBackoff>
  #sink: Sink | undefined
  #openedAt = 0
  /** When the device last took a block. */
  #takenAt = 0
  #closing: Promise<void> = Promise.resolve()
  #isClosing = false
  #retryAt = Number.NEGATIVE_INFINITY
  #timer: NodeJS.Timeout | undefined
  /** When the block with number 0 was due, and the number of the next one. */
  #origin = 0
  #index = 0
  #soundAt = 0
  #playing: SoundSource['kind'] | null = null
  #ok: boolean | null = null
  #error: string | null = null
  #since = Date.now()
  #retries = 0
  #disposed = false
  readonly #scaled = new Int16Array(BLOCK_SAMPLES)

  constructor(options: SpeakerOptions) {
    super()
    this.#options = options
    this.#volume = options.volume
    this.#backoff = createBackoff(options.retry ?? RETRY)
  }

  /** What is heard from the device now. */
  get playing(): SoundSource['kind'] | null {
    return this.#playing
  }

  /** The speaker's part of `audio/state`. */
  get summary() {
    return {
      type: this.#options.type,
      ok: this.#ok,
      error: this.#error,
      since: this.#since,
      retries: this.#retries,
      playing: this.#playing,
      volume: this.#volume,
    }
  }

  /** 0 to 1. */
  setVolume(volume: number): void {
    this.#volume = volume
    this.emit('change')
  }

  /** A source has become active. */
  wake(): void {
    if (this.#timer || this.#disposed) return
    this.#origin = performance.now()
    this.#index = 0
    this.#soundAt = this.#origin
    this.#tick()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed = true
    clearTimeout(this.#timer)
    this.#close()
    await this.#closing
  }

  #tick(): void {
    if (this.#disposed) return
    const now = performance.now()
    const behind = now - this.#due
    if (behind > MAX_BEHIND_MS) this.#origin += behind
    for (let due = this.#due; due <= now; due = this.#due) {
      this.#index++
      this.#play(due, now)
    }
    if (now - this.#soundAt > CLOSE_AFTER_MS) {
      this.#timer = undefined
      this.#close()
      return
    }
    this.#timer = setTimeout(() => {
      // a late timer runs before the packets of that time are read, which would then count as missing
      setImmediate(() => this.#tick())
    }, this.#due - now)
  }

  /** When the next block is due. */
  get #due(): number {
    return this.#origin + this.#index * BLOCK_MS
  }

  #play(due: number, now: number): void {
    const source = this.#options.sources.find(({ active }) => active)
    const block = source?.next(due)
    if (source?.active) this.#soundAt = now
    const playing = source?.active ? source.kind : null
    if (playing !== this.#playing) {
      this.#playing = playing
      this.emit('change')
    }
    if (source && !this.#sink) this.#open(now)
    if (this.#sink) this.#write(block, now)
    else if (block) this.#options.drops.count('speaker not available', BLOCK_MS)
  }

  #open(now: number): void {
    if (this.#isClosing || now < this.#retryAt) return
    this.#openedAt = this.#takenAt = now
    const sink = this.#options.openSink({
      onFailed: (reason) => {
        // also before the call returns
        queueMicrotask(() => this.#sink === sink && this.#failed(reason))
      },
    })
    this.#sink = sink
  }

  /** Silence as well, so that the device neither runs dry nor shifts what follows. */
  #write(block: Int16Array | undefined, now: number): void {
    if (block) {
      for (let i = 0; i < BLOCK_SAMPLES; i++) this.#scaled[i] = Math.round((block[i] ?? 0) * this.#volume)
    } else this.#scaled.fill(0)
    if (this.#sink?.write(this.#scaled)) this.#takenAt = now
    else {
      this.#options.drops.count('speaker too slow', BLOCK_MS)
      if (now - this.#takenAt > STALLED_MS) this.#failed(`takes no sound for ${STALLED_MS / 1_000} s`)
    }
    if (this.#sink && this.#ok !== true && this.#takenAt - this.#openedAt > WORKS_AFTER_MS) this.#works()
  }

  #works(): void {
    this.#error = null
    this.#backoff.reset()
    this.#options.log.info({ speaker: this.#options.type }, 'speaker works')
    this.#become(true)
  }

  #failed(reason: string): void {
    if (this.#ok === true || this.#error === null) {
      this.#options.log.warn({ reason }, 'speaker lost, retrying')
    }
    this.#release()
    this.#retryAt = performance.now() + this.#backoff.next()
    this.#error = reason
    this.#retries++
    this.#become(false)
  }

  #close(): void {
    this.#playing = null
    this.#release()
    // an error stays until the device works
    this.#become(this.#error === null ? null : false)
  }

  #release(): void {
    const sink = this.#sink
    if (!sink) return
    this.#sink = undefined
    this.#isClosing = true
    // two programs at once would compete for the device
    this.#closing = sink.close().finally(() => {
      this.#isClosing = false
    })
  }

  #become(ok: boolean | null): void {
    if (this.#ok !== ok) this.#since = Date.now()
    this.#ok = ok
    this.emit('change')
  }
}
