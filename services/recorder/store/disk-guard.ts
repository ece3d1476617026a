import { EventEmitter } from 'node:events'
import { statfs } from 'node:fs/promises'
import type { Logger } from '#lib/logger.ts'
import type { ClipStore } from '../clip.ts'
import { expired, type RetentionRules } from './retention.ts'

const MiB = 1024 * 1024
const CHECK_INTERVAL_MS = 10_000
/** More than the limit is made free, so that recording does not stop and start all the time. */
const MARGIN = 1.25
/** Between a write that failed and the next attempt; doubled each time, since a broken disk may well report free space. */
const FIRST_RETRY_MS = 10_000
const MAX_RETRY_MS = 600_000

interface DiskGuardEvents {
  /** Less is free than the limit, or the disk takes no writes. */
  full: [reason: string]
  /** There is space again. */
  free: []
}

interface DiskGuardOptions {
  store: ClipStore
  rules: RetentionRules
  log: Logger
  /** Monotonic, ms; another one in tests. */
  clock?: () => number
}

/** Keeps clips within their retention, and watches the space on the disk. */
export class DiskGuard extends EventEmitter<DiskGuardEvents> implements AsyncDisposable {
  readonly #options: DiskGuardOptions
  readonly #timer: NodeJS.Timeout
  #freeBytes: number | null = null
  #full: string | undefined
  #checking: Promise<void> = Promise.resolve()
  readonly #clock: () => number
  #retryAt = -Infinity
  #retryMs = FIRST_RETRY_MS

  constructor(options: DiskGuardOptions) {
    super()
    this.#options = options
    this.#clock = options.clock ?? (() => performance.now())
    this.#timer = setInterval(() => void this.check(), CHECK_INTERVAL_MS)
  }

  /** On the disk; null: unknown. */
  get freeBytes(): number | null {
    return this.#freeBytes
  }

  /** Deletes what is over the limits, and reports the space. */
  check(): Promise<void> {
    this.#checking = this.#checking.then(() => this.#check())
    return this.#checking
  }

  /** A write failed. Recording is tried again after a while, once a check finds space. */
  writeFailed(err: unknown): void {
    if (this.#full === undefined) {
      const now = this.#clock()
      // it has worked for long since
      if (now - this.#retryAt > MAX_RETRY_MS) this.#retryMs = FIRST_RETRY_MS
      this.#retryAt = now + this.#retryMs
      this.#retryMs = Math.min(MAX_RETRY_MS, this.#retryMs * 2)
    }
    this.#setFull(reasonOf(err))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer)
    await this.#checking
  }

  async #check(): Promise<void> {
    const { rules, log } = this.#options
    const limit = rules.retention.min_free_mb * MiB
    try {
      if ((await this.#read()) < limit) this.#setFull('disk full')
      await this.#deleteExpired(limit * MARGIN)
      if ((await this.#read()) < limit) return
      if (this.#full === undefined || this.#clock() < this.#retryAt) return
      this.#full = undefined
      this.emit('free')
    } catch (err) {
      log.warn({ err }, 'cannot check the disk of the clips')
    }
  }

  /** Others are deleted in place of clips that are being watched or cannot be deleted, and of those that became a favorite during it. */
  async #deleteExpired(wantedFree: number): Promise<void> {
    const { rules, store, log } = this.#options
    const held = new Set<string>()
    const failures: unknown[] = []
    const remove = (id: string) =>
      store.remove(id).catch((err: unknown) => {
        failures.push(err)
        return false
      })
    let before: number
    do {
      before = held.size
      const needed = Math.max(0, wantedFree - (await this.#read()))
      for (const { id } of expired(store.list(), rules, { now: Date.now(), needed, held }))
        if (store.get(id)?.favorite || !(await remove(id))) held.add(id)
    } while (held.size > before)
    const [err] = failures
    if (err !== undefined) log.warn({ err, clips: failures.length }, 'clips cannot be deleted')
  }

  async #read(): Promise<number> {
    const { bavail, bsize } = await statfs(this.#options.store.folder)
    this.#freeBytes = bavail * bsize
    return this.#freeBytes
  }

  #setFull(reason: string): void {
    if (this.#full === reason) return
    this.#full = reason
    this.emit('full', reason)
  }
}

/** For a person. */
function reasonOf(err: unknown): string {
  const { code, message } = err as NodeJS.ErrnoException
  if (code === 'ENOSPC' || code === 'EDQUOT') return 'disk full'
  if (code === 'EROFS') return 'disk read-only'
  return `cannot write: ${code ?? message}`
}
