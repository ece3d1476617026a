/** The room of durable events. Other rooms use {@link Outbox}, `OutboxSender` and `storeEvents`. */
import { EventEmitter } from 'node:events'
import { Worker } from 'node:worker_threads'
import type { Logger } from '#lib/logger.ts'
import { workerEnv } from '#lib/process/hardening.ts'
import { type Bounds, type Counts, type DeliveryKey, type Entry, OUTBOX_BOUNDS } from './outbox-store.ts'

export interface StoreData {
  path: string
  bounds: Bounds
}

type Action =
  | { type: 'append'; name: string; frame: string; delivery: DeliveryKey | undefined }
  | { type: 'after'; seq: number; count: number; bytes: number }
  | { type: 'delete-up-to'; seq: number }
  | { type: 'reject'; seq: number }
  | { type: 'ping' }
  | { type: 'close' }

/** What happened to the file. */
export interface FileState {
  /** Where a damaged one is kept. */
  damaged: string | undefined
  /** Why it cannot be opened; the events are in memory. */
  unwritable: string | undefined
}

/** A request to the thread that owns the file, and its response; `id` 0: the file is open. */
export interface Request {
  id: number
  action: Action
}
export type Response =
  | { id: number; value: unknown; counts: Counts; file: FileState }
  | { id: number; error: string }

/** Interval of the pings to the thread, and how many it may owe: a worn card blocks it for seconds. */
const PING_INTERVAL_MS = 10_000
const MAX_UNANSWERED_PINGS = 3

interface OutboxEvents {
  /** The thread has ended or hangs: nothing can be stored until this process is restarted. */
  failed: [err: Error]
  /** The depth or the number of dropped events changed. */
  counts: []
}

interface OpenOptions {
  log: Logger
  bounds?: Bounds | undefined
  /** Shorter in tests. */
  pingInterval?: number
}

interface Pending {
  resolve(value: unknown): void
  reject(err: Error): void
}

/** The durable outbox: a `RecoveringStore` in a thread of its own, so that a slow card does not delay other work. */
export class Outbox extends EventEmitter<OutboxEvents> implements AsyncDisposable {
  readonly #worker: Worker
  readonly #path: string
  readonly #log: Logger
  #file: FileState = { damaged: undefined, unwritable: undefined }
  readonly #pending = new Map<number, Pending>()
  #counts: Counts = { depth: 0, bytes: 0, dropped: 0 }
  #id = 0
  #failed: Error | undefined
  #watchdog: NodeJS.Timeout | undefined

  private constructor(data: StoreData, log: Logger) {
    super()
    this.#path = data.path
    this.#log = log
    this.#worker = new Worker(new URL('./outbox-thread.ts', import.meta.url), {
      workerData: data,
      env: workerEnv(),
    })
    this.#worker.on('message', (response: Response) => this.#settle(response))
    this.#worker.on('error', (err) => this.#end(err as Error))
    this.#worker.on('exit', () => this.#end(new Error('the outbox is closed')))
  }

  /** Opens or creates the file and its folder. Events are in memory, which is logged, until the file can be written. */
  static async open(
    path: string,
    { log, bounds = OUTBOX_BOUNDS, pingInterval = PING_INTERVAL_MS }: OpenOptions,
  ): Promise<Outbox> {
    const outbox = new Outbox({ path, bounds }, log)
    await new Promise((resolve, reject) => outbox.#pending.set(0, { resolve, reject }))
    outbox.#watch(pingInterval)
    const { depth, bytes } = outbox.counts
    if (depth > 0) log.info({ events: depth, bytes }, 'events of an earlier run wait for the relay')
    return outbox
  }

  /** The thread has ended. */
  get closed(): boolean {
    return this.#failed !== undefined
  }

  get counts(): Counts {
    return this.#counts
  }

  /** As `relay-bridge/link` shows it. */
  get state(): { depth: number; dropped: number } {
    const { depth, dropped } = this.#counts
    return { depth, dropped }
  }

  /** Stored when fulfilled: on disk, or in memory while the file cannot be opened. False for a delivery that is stored already. */
  append(name: string, frame: string, delivery?: DeliveryKey): Promise<boolean> {
    return this.#request({ type: 'append', name, frame, delivery }) as Promise<boolean>
  }

  after(seq: number, limit: { count: number; bytes: number }): Promise<Entry[]> {
    return this.#request({ type: 'after', seq, ...limit }) as Promise<Entry[]>
  }

  async deleteUpTo(seq: number): Promise<void> {
    await this.#request({ type: 'delete-up-to', seq })
  }

  async reject(seq: number): Promise<void> {
    await this.#request({ type: 'reject', seq })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#watchdog)
    this.#watchdog = undefined
    if (!this.#failed) await this.#request({ type: 'close' }).catch(() => {})
    await this.#worker.terminate()
  }

  #watch(interval: number): void {
    let unanswered = 0
    this.#watchdog = setInterval(() => {
      if (unanswered++ >= MAX_UNANSWERED_PINGS) {
        this.#end(new Error('the outbox thread does not answer'))
        return
      }
      void this.#request({ type: 'ping' }).then(
        () => {
          unanswered = 0
        },
        () => {}, // reported by #end
      )
    }, interval).unref()
  }

  #request(action: Action): Promise<unknown> {
    if (this.#failed) return Promise.reject(this.#failed)
    const id = ++this.#id
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve, reject })
      this.#worker.postMessage({ id, action } satisfies Request)
    })
  }

  #settle(response: Response): void {
    const pending = this.#pending.get(response.id)
    this.#pending.delete(response.id)
    if ('error' in response) {
      pending?.reject(new Error(response.error))
      return
    }
    this.#reportFile(response.file)
    const { depth, dropped } = this.#counts
    this.#counts = response.counts
    if (depth !== response.counts.depth || dropped !== response.counts.dropped) this.emit('counts')
    pending?.resolve(response.value)
  }

  #reportFile(file: FileState): void {
    const { damaged, unwritable } = this.#file
    const path = this.#path
    if (file.damaged !== damaged) {
      this.#log.error({ path, kept_as: file.damaged }, 'outbox damaged; starting an empty one')
    }
    if (file.unwritable === undefined && unwritable !== undefined) {
      this.#log.info({ path }, 'outbox recovered; events are on disk again')
    } else if (file.unwritable !== undefined && unwritable === undefined) {
      this.#log.error(
        { path, err: new Error(file.unwritable) },
        'outbox cannot be opened; events are kept in memory and lost at power loss: is the disk full, or data_dir read-only?',
      )
    }
    this.#file = file
  }

  #end(err: Error): void {
    this.#failed ??= err
    for (const { reject } of this.#pending.values()) reject(this.#failed)
    this.#pending.clear()
    if (this.#watchdog === undefined) return // closed, or not opened yet
    clearInterval(this.#watchdog)
    this.#watchdog = undefined
    this.emit('failed', this.#failed)
  }
}
