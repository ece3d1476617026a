/**
 * The microphone: samples of the configured source while it is needed, reopened with backoff when it fails. `sources/` has
 * one file for each type of source.
 */
import { EventEmitter, once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { createBackoff } from '#lib/backoff.ts'
import type { Logger } from '#lib/logger.ts'
import { endsWithinGrace } from '#lib/media/abort-grace.ts'
import { sanitizeError } from '#lib/media/sanitize-error.ts'
import type { AudioSourceSection } from '../config.ts'
import { SoundWatchdog } from './sound-watchdog.ts'
import type { Capture } from './sources/source.ts'
import { captureSilence } from './sources/synthetic.ts'

/** What is captured: nothing, with the device closed; digital silence, with the device closed; the source. */
export type Wanted = 'nothing' | 'silence' | 'source'

interface MicrophoneEvents {
  /** Samples (48 kHz, mono), valid during the call, and the capture time of the first (`performance.now()`). */
  samples: [samples: Int16Array, at: number]
  /** {@link Microphone.summary} has changed. */
  change: []
}

interface MicrophoneOptions {
  source: Exclude<AudioSourceSection, { type: 'none' }>
  captureFrom(source: MicrophoneOptions['source']): Capture
  log: Logger
  retry?: { first: number; cap: number; least: number }
}

const RETRY = { first: 500, cap: 10_000, least: 250 }
/** Captures shorter than this do not reset the backoff. */
const MIN_RECOVERED_MS = 3_000

export class Microphone extends EventEmitter<MicrophoneEvents> implements AsyncDisposable {
  readonly #options: MicrophoneOptions
  readonly #closing = new AbortController()
  readonly #backoff: ReturnType<typeof createBackoff>
  #running: Promise<void> | undefined
  #wanted: Wanted = 'nothing'
  /** Ends the current capture, or the wait for the next. */
  #interrupt = new AbortController()
  /** An abandoned capture that has not ended yet. */
  #stuck: Promise<void> = Promise.resolve()
  /** null: closed; undefined: opening for the first time. */
  #ok: boolean | null = null
  #error: string | null = null
  #since = Date.now()
  #retries = 0

  constructor(options: MicrophoneOptions) {
    super()
    this.#options = options
    this.#backoff = createBackoff(options.retry ?? RETRY)
  }

  start(): void {
    this.#running = this.#run()
  }

  /** The microphone's part of `audio/state`. */
  get summary() {
    return {
      source: this.#options.source.type,
      audio_ok: this.#ok,
      audio_error: this.#error,
      audio_since: this.#since,
      audio_retries: this.#retries,
    }
  }

  /** Opens or closes the source; it is released as soon as it is not wanted. */
  want(wanted: Wanted): void {
    if (wanted === this.#wanted) return
    this.#wanted = wanted
    this.#backoff.reset()
    this.#interrupt.abort(new Error('not needed'))
    this.emit('change')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort()
    this.#interrupt.abort()
    await this.#running
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing
    while (!signal.aborted) {
      this.#interrupt = new AbortController()
      const wanted = this.#wanted
      if (wanted !== 'source') this.#become(null)
      if (wanted === 'nothing') await once(this.#interrupt.signal, 'abort')
      else if (wanted === 'silence') await this.#captureSilence()
      else await this.#captureSource()
    }
  }

  async #captureSilence(): Promise<void> {
    const signal = AbortSignal.any([this.#interrupt.signal, this.#closing.signal])
    await captureSilence({ signal, emit: (samples, at) => this.emit('samples', samples, at) })
  }

  async #captureSource(): Promise<void> {
    const begin = performance.now()
    const { reason, worked } = await this.#capture()
    if (this.#interrupt.signal.aborted || this.#closing.signal.aborted) return
    if (worked && performance.now() - begin > MIN_RECOVERED_MS) this.#backoff.reset()
    if (worked || this.#error === null) this.#options.log.warn({ reason }, 'microphone lost, retrying')
    this.#error = reason
    this.#retries++
    this.#become(false)
    await sleep(this.#backoff.next(), undefined, { signal: this.#interrupt.signal }).catch(() => {})
  }

  /** One capture, from opening the source to its end. */
  async #capture(): Promise<{ reason: string; worked: boolean }> {
    const { captureFrom, source } = this.#options
    const ending = new AbortController()
    using watchdog = new SoundWatchdog((reason) => ending.abort(new Error(reason)))
    const signal = AbortSignal.any([ending.signal, this.#interrupt.signal, this.#closing.signal])
    let abandoned = false
    const emit = (samples: Int16Array, at: number) => {
      if (abandoned || signal.aborted) return
      watchdog.sound()
      if (this.#ok !== true) this.#recovered()
      this.emit('samples', samples, at)
    }
    try {
      // two captures at once would compete for the device
      if (await endsWithinGrace(this.#stuck, signal)) {
        const capturing = captureFrom(source)({ emit, signal })
        if (!(await endsWithinGrace(capturing, signal))) this.#stuck = capturing.catch(() => {})
      }
      return {
        reason: signal.aborted ? sanitizeError(signal.reason) : 'source ended',
        worked: watchdog.hasSound,
      }
    } catch (err) {
      return { reason: sanitizeError(signal.aborted ? signal.reason : err), worked: watchdog.hasSound }
    } finally {
      abandoned = true
    }
  }

  #recovered(): void {
    this.#error = null
    this.#options.log.info({ source: this.#options.source.type }, 'microphone works')
    this.#become(true)
  }

  #become(ok: boolean | null): void {
    if (this.#ok !== ok) this.#since = Date.now()
    this.#ok = ok
    this.emit('change')
  }
}
