/** What is being written: one clip of events, the continuous recording, and one recording for an app. */
import { EventEmitter } from 'node:events'
import type { Logger } from '#lib/logger.ts'
import type { ClipReason, ClipStore } from '../clip.ts'
import type { GopRing } from '../ring/gop-ring.ts'
import { Recording } from './recording.ts'

interface RecordingsEvents {
  /** {@link Recordings.active} or {@link Recordings.stopped} may have changed. */
  change: []
  /** The last cause that had stopped all recordings is gone. */
  resumed: []
  written: [ms: number]
  synced: [ms: number]
  failed: [err: unknown]
}

interface RecordingsOptions {
  ring: GopRing
  store: ClipStore
  log: Logger
  /** Longest pre-roll, ms: an event within this time after a clip may overlap it. */
  maxPre: number
  maxClipMs: number
  /** Length of the files of the continuous recording, ms; undefined: there is none. */
  continuousMs: number | undefined
  syncInterval: number
}

/** What may stop all recordings. */
type StopCause = 'privacy' | 'disk' | 'end'

/** Objects that keep a clip open at the same time. */
const MAX_HOLDS = 256

/** Times are by the monotonic clock, ms. */
export class Recordings extends EventEmitter<RecordingsEvents> {
  readonly #options: RecordingsOptions
  readonly #holds = new Set<string>()
  /** End of the clip of events, once nothing holds it open. */
  #keptUntil = 0
  #kept: Recording | undefined
  #continuous: Recording | undefined
  #commanded: Recording | undefined
  readonly #ending = new Set<Promise<unknown>>()
  readonly #stops = new Map<StopCause, string>()

  constructor(options: RecordingsOptions) {
    super()
    this.#options = options
  }

  /** Why nothing is recorded. */
  get stopped(): string | undefined {
    const [why] = this.#stops.values()
    return why
  }

  get active(): boolean {
    return this.#all.length > 0
  }

  /** A file is being written or completed. */
  get busy(): boolean {
    return this.active || this.#ending.size > 0
  }

  get commanded(): boolean {
    return this.#commanded !== undefined
  }

  /** Keeps what was and will be captured between these times. */
  keep(reason: ClipReason, from: number, until: number): void {
    if (this.stopped !== undefined) return
    if (this.#kept && from <= this.#kept.until) {
      this.#keptUntil = Math.max(this.#keptUntil, until)
      this.#kept.addReason(reason)
    } else {
      if (this.#kept) this.#end(this.#kept)
      this.#keptUntil = until
      this.#kept = this.#start({ from, until, linger: this.#options.maxPre, reasons: [reason] })
      this.emit('change')
    }
    this.#extend()
  }

  /** As {@link keep}, until {@link release}. */
  hold(key: string, reason: ClipReason, from: number): void {
    if (this.stopped !== undefined || this.#holds.size >= MAX_HOLDS) return
    this.#holds.add(key)
    this.keep(reason, from, from)
  }

  release(key: string, until: number): void {
    if (!this.#holds.delete(key)) return
    this.#keptUntil = Math.max(this.#keptUntil, until)
    this.#extend()
  }

  /** A recording of its own, for a command; only while there is none. */
  record(from: number, until: number, reason: ClipReason): Recording {
    if (this.#commanded) throw new Error('a recording is running already')
    const recording = this.#start({ from, until, linger: 0, reasons: [reason] })
    this.#commanded = recording
    this.emit('change')
    return recording
  }

  /** Ends the recording of a command now. */
  stopCommanded(): boolean {
    if (!this.#commanded) return false
    this.#end(this.#commanded)
    return true
  }

  /** Writes new frames, and ends what is over. */
  advance(now = performance.now()): void {
    if (this.#options.continuousMs !== undefined && !this.#continuous && this.stopped === undefined) {
      const reasons: ClipReason[] = [{ kind: 'continuous', at: Date.now() }]
      this.#continuous = this.#start({ from: now, until: Infinity, linger: 0, reasons })
      this.emit('change')
    }
    for (const recording of this.#all) {
      recording.pull()
      if (recording.isOver(now)) this.#end(recording)
    }
  }

  /** Ends all, and records nothing until {@link resume} of every cause. */
  async stop(cause: StopCause, why: string): Promise<void> {
    this.#stops.set(cause, why)
    this.#holds.clear()
    for (const recording of this.#all) this.#end(recording, why)
    this.emit('change')
    await Promise.all(this.#ending)
  }

  resume(cause: StopCause): void {
    if (!this.#stops.delete(cause)) return
    this.emit('change')
    if (this.stopped === undefined) this.emit('resumed')
  }

  get #all(): Recording[] {
    return [this.#kept, this.#continuous, this.#commanded].filter((one) => one !== undefined)
  }

  #extend(): void {
    if (this.#kept) this.#kept.until = this.#holds.size > 0 ? Infinity : this.#keptUntil
  }

  #start(span: { from: number; until: number; linger: number; reasons: readonly ClipReason[] }): Recording {
    const { ring, store, log, maxClipMs, continuousMs, syncInterval } = this.#options
    const isContinuous = span.reasons[0]?.kind === 'continuous'
    const isCommanded = span.reasons[0]?.kind === 'command'
    const longest = isContinuous ? (continuousMs ?? maxClipMs) : maxClipMs
    const recording = new Recording({
      ...{ ...span, ring, store, log, syncInterval },
      // the app gets one file, whose length its command bounds
      maxClipMs: isCommanded ? Infinity : longest,
      hasPreRoll: !isContinuous && !isCommanded,
    })
    recording.on('written', (ms) => this.emit('written', ms))
    recording.on('synced', (ms) => this.emit('synced', ms))
    recording.on('failed', (err) => this.emit('failed', err))
    recording.pull()
    return recording
  }

  #end(recording: Recording, why?: string): void {
    if (this.#kept === recording) this.#kept = undefined
    if (this.#continuous === recording) this.#continuous = undefined
    if (this.#commanded === recording) this.#commanded = undefined
    const ended: Promise<unknown> = recording
      .end(why)
      .catch((err: unknown) => this.emit('failed', err))
      .finally(() => {
        this.#ending.delete(ended)
        this.emit('change')
      })
    this.#ending.add(ended)
    this.emit('change')
  }
}
