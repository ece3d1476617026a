/**
 * The room of the history: what happened, in a database, and the clips, pictures and lists of it over HTTP. Other rooms use
 * {@link History}, and `startHistory` of start.ts.
 */
import { EventEmitter } from 'node:events'
import { Worker } from 'node:worker_threads'
import type { Logger } from '#lib/logger.ts'
import { createEventCounter, type EventCounter } from '#lib/metrics/event-counter.ts'
import { workerEnv } from '#lib/process/hardening.ts'
import type { Clip } from '../clip.ts'
import type { FilterValues, HistoryBounds, HistoryStore } from './history-store.ts'
import type { ItemPage, ItemQuery } from './items.ts'
import { boundedRecord, type HistoryRecord } from './records.ts'
import type { FileState, HistoryQuery } from './recovering-history.ts'

export interface HistoryData {
  path: string
  /** Between two attempts to open a file that could not be opened, ms. */
  reopenMs: number
}

export type HistoryRequest = {
  id: number
  action:
    | { type: 'write'; records: readonly HistoryRecord[] }
    | { type: 'reconcile'; clips: readonly Clip[] }
    | { type: 'prune'; bounds: HistoryBounds; now: number }
    | { type: 'query'; method: HistoryQuery; args: never }
    | { type: 'close' }
}
/** `id` 0: the file is open. */
export type HistoryResponse = { id: number; file: FileState } & ({ value: unknown } | { error: string })

/** Records wait this long for others, so that a burst is one write of the card. */
const BATCH_MS = 1_000
/** Before the next attempt of a write that failed. */
const RETRY_MS = 10_000
const MAX_BATCH = 200
/** Records that wait for a slow or a full disk; beyond that the oldest is dropped. */
const MAX_WAITING = 5_000
/** Queries that wait for the thread. */
const MAX_PENDING = 64

interface HistoryEvents {
  /** The thread has ended: nothing is recorded until this process is restarted. */
  failed: [err: Error]
  /** The file is a new one, which knows no clips. */
  'new-file': []
}

interface Pending {
  resolve(value: unknown): void
  reject(err: Error): void
}

/** The history: a `RecoveringHistory` in a thread of its own, so that a slow card does not delay recording. */
export class History extends EventEmitter<HistoryEvents> implements AsyncDisposable {
  readonly #worker: Worker
  readonly #log: Logger
  readonly #dropped: EventCounter
  readonly #pending = new Map<number, Pending>()
  #waiting: HistoryRecord[] = []
  #flush: NodeJS.Timeout | undefined
  #writing: Promise<void> | undefined
  #file: FileState = { generation: 0, damaged: undefined, unwritable: undefined }
  #isFailing = false
  #id = 0
  #ended: Error | undefined
  #closing = false

  private constructor(data: HistoryData, log: Logger) {
    super()
    this.#log = log
    this.#dropped = createEventCounter(log, 'history records dropped: the disk is full or too slow')
    const url = new URL('./history-thread.ts', import.meta.url)
    this.#worker = new Worker(url, { workerData: data, env: workerEnv() })
    this.#worker.on('message', (response: HistoryResponse) => this.#settle(response))
    this.#worker.on('error', (err) => this.#end(err as Error))
    this.#worker.on('exit', () => this.#end(new Error('the history is closed')))
  }

  /** Opens or creates the file and its folder. Records are in memory, which is logged, until the file can be written. */
  static async open(path: string, log: Logger, { reopenMs = 10_000 } = {}): Promise<History> {
    const history = new History({ path, reopenMs }, log)
    await new Promise((resolve, reject) => history.#pending.set(0, { resolve, reject }))
    return history
  }

  /** Why the file cannot be written; records are in memory. */
  get unwritable(): string | undefined {
    return this.#file.unwritable
  }

  /** Counters of dropped records, by type. */
  get dropped(): Readonly<Record<string, number>> {
    return this.#dropped.totals
  }

  /** Writes a record soon. Never throws: what cannot be written is dropped, counted and logged. */
  record(record: HistoryRecord): void {
    if (this.#waiting.length >= MAX_WAITING) this.#dropped.count(this.#waiting.shift()?.type ?? '')
    this.#waiting.push(boundedRecord(record))
    if (!this.#writing) this.#flush ??= setTimeout(() => this.#write(), BATCH_MS)
  }

  /** Resolves when everything recorded so far is written, or its write has failed. */
  async flush(): Promise<void> {
    await this.#writing
    do {
      this.#write()
      await this.#writing
    } while (this.#waiting.length > 0 && !this.#isFailing && !this.#ended)
  }

  /** Makes the table of clips that of the files. */
  async reconcile(clips: readonly Clip[]): Promise<void> {
    await this.#request({ type: 'reconcile', clips })
  }

  /** Deletes what is beyond the bounds; resolves to the pictures of deleted tracks. */
  async prune(bounds: HistoryBounds, now = Date.now()): Promise<string[]> {
    return (await this.#request({ type: 'prune', bounds, now })) as string[]
  }

  list(query: ItemQuery): Promise<ItemPage> {
    return this.#query('list', [query])
  }

  count(query: ItemQuery): Promise<number> {
    return this.#query('count', [query])
  }

  filterValues(): Promise<FilterValues> {
    return this.#query('filterValues', [])
  }

  /** File of a track's picture. */
  pictureOf(trackId: string): Promise<string | undefined> {
    return this.#query('pictureOf', [trackId])
  }

  /** Hides a clip from lists until it is deleted, or shows it again (null). False for an unknown one. */
  setDeleted(id: string, at: number | null): Promise<boolean> {
    return this.#query('setDeleted', [id, at])
  }

  /** Clips that were hidden before this time. */
  deletedBefore(time: number): Promise<string[]> {
    return this.#query('deletedBefore', [time])
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing = true
    if (!this.#ended) await this.flush()
    clearTimeout(this.#flush)
    if (!this.#ended) await this.#request({ type: 'close' }).catch(() => {})
    await this.#worker.terminate()
    this.#dropped[Symbol.dispose]()
  }

  #write(): void {
    clearTimeout(this.#flush)
    this.#flush = undefined
    // a second write of the same records would store them twice
    if (this.#writing || this.#waiting.length === 0 || this.#ended) return
    const records = this.#waiting.slice(0, MAX_BATCH)
    const last = records.at(-1)
    this.#writing = this.#request({ type: 'write', records }).then(
      (unusable) => {
        this.#isFailing = false
        if (Number(unusable) > 0) this.#dropped.count('unusable', Number(unusable))
        // those that were dropped during the write are gone from the front
        this.#waiting = this.#waiting.slice(this.#waiting.indexOf(last as HistoryRecord) + 1)
        this.#written(BATCH_MS)
      },
      (err: unknown) => {
        if (!this.#isFailing && !this.#ended)
          this.#log.error({ err }, 'history cannot be written, retrying: is the disk of data_dir full?')
        this.#isFailing = true
        this.#written(RETRY_MS)
      },
    )
  }

  #written(pause: number): void {
    this.#writing = undefined
    if (this.#waiting.length === 0 || this.#ended) return
    const delay = this.#waiting.length >= MAX_BATCH && pause === BATCH_MS ? 0 : pause
    this.#flush ??= setTimeout(() => this.#write(), delay)
  }

  #query<Q extends HistoryQuery>(
    method: Q,
    args: Parameters<HistoryStore[Q]>,
  ): Promise<ReturnType<HistoryStore[Q]>> {
    if (this.#pending.size >= MAX_PENDING)
      return Promise.reject(new Error('too many requests to the history'))
    const action = { type: 'query', method, args: args as never } as const
    return this.#request(action) as Promise<ReturnType<HistoryStore[Q]>>
  }

  #request(action: HistoryRequest['action']): Promise<unknown> {
    if (this.#ended) return Promise.reject(this.#ended)
    const id = ++this.#id
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve, reject })
      this.#worker.postMessage({ id, action } satisfies HistoryRequest)
    })
  }

  #settle(response: HistoryResponse): void {
    const pending = this.#pending.get(response.id)
    this.#pending.delete(response.id)
    this.#report(response.file)
    if ('error' in response) pending?.reject(new Error(response.error))
    else pending?.resolve(response.value)
  }

  #report(file: FileState): void {
    const { generation, damaged, unwritable } = file
    const before = this.#file
    this.#file = file
    const isNew = generation !== before.generation
    if (damaged !== undefined && (isNew || damaged !== before.damaged) && unwritable === undefined)
      this.#log.error({ file: damaged }, 'history was damaged: set aside, and begun again with the clips')
    if (unwritable !== undefined && before.unwritable === undefined)
      this.#log.error({ reason: unwritable }, 'history cannot be opened: it is in memory until it can be')
    if (unwritable === undefined && before.unwritable !== undefined)
      this.#log.info('history is on the disk again')
    if (isNew) this.emit('new-file')
  }

  #end(err: Error): void {
    if (this.#ended) return
    this.#ended = err
    for (const { reject } of this.#pending.values()) reject(err)
    this.#pending.clear()
    if (!this.#closing) this.emit('failed', err)
  }
}
