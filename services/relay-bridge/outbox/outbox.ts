import { mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { Worker } from 'node:worker_threads'
import type { Logger } from '#lib/logger.ts'
import { type Bounds, type Counts, type Entry, type Origin, OUTBOX_BOUNDS } from './outbox-store.ts'

export interface StoreData {
  path: string
  bounds: Bounds
}

type Ask =
  | { what: 'append'; name: string; frame: string; origin: Origin | undefined }
  | { what: 'after'; seq: number; count: number; bytes: number }
  | { what: 'forget-up-to'; seq: number }
  | { what: 'forget'; seq: number }
  | { what: 'close' }

/** One question to the thread that owns the file, and its answer; `id` 0 is its greeting. */
export interface Question {
  id: number
  ask: Ask
}
export type Answer = { id: number; value: unknown; counts: Counts } | { id: number; error: string }

interface Waiting {
  resolve(value: unknown): void
  reject(err: Error): void
}

/** The durable outbox: {@link OutboxStore} in a thread of its own, so that a slow card holds nobody up. */
export class Outbox implements AsyncDisposable {
  readonly #worker: Worker
  readonly #waiting = new Map<number, Waiting>()
  readonly #onCounts: (counts: Counts) => void
  #counts: Counts = { depth: 0, bytes: 0, dropped: 0 }
  #id = 0
  #failed: Error | undefined

  private constructor(data: StoreData, onCounts: (counts: Counts) => void) {
    this.#onCounts = onCounts
    this.#worker = new Worker(new URL('./outbox-thread.ts', import.meta.url), { workerData: data })
    this.#worker.on('message', (answer: Answer) => this.#answered(answer))
    this.#worker.on('error', (err) => this.#end(err as Error))
    this.#worker.on('exit', () => this.#end(new Error('the outbox is closed')))
  }

  /** Opens the file, or makes it and its folder. Rejects when the folder cannot be written. */
  static async open(
    path: string,
    { log, bounds = OUTBOX_BOUNDS, onCounts = () => {} }: OutboxOptions,
  ): Promise<Outbox> {
    mkdirSync(dirname(path), { recursive: true })
    const outbox = new Outbox({ path, bounds }, onCounts)
    const damaged = await new Promise((resolve, reject) => outbox.#waiting.set(0, { resolve, reject }))
    if (damaged) log.error({ path, kept_as: damaged }, 'the outbox was damaged, a new one is begun')
    const { depth, bytes } = outbox.counts
    if (depth > 0) log.info({ events: depth, bytes }, 'events of before wait for the relay')
    return outbox
  }

  /** The thread is gone, by our own wish or not. */
  get closed(): boolean {
    return this.#failed !== undefined
  }

  get counts(): Counts {
    return this.#counts
  }

  /** On disk when fulfilled; false for a message that was stored before. */
  append(name: string, frame: string, origin?: Origin): Promise<boolean> {
    return this.#ask({ what: 'append', name, frame, origin }) as Promise<boolean>
  }

  after(seq: number, limit: { count: number; bytes: number }): Promise<Entry[]> {
    return this.#ask({ what: 'after', seq, ...limit }) as Promise<Entry[]>
  }

  async forgetUpTo(seq: number): Promise<void> {
    await this.#ask({ what: 'forget-up-to', seq })
  }

  async forget(seq: number): Promise<void> {
    await this.#ask({ what: 'forget', seq })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#failed) await this.#ask({ what: 'close' }).catch(() => {})
    await this.#worker.terminate()
  }

  #ask(ask: Ask): Promise<unknown> {
    if (this.#failed) return Promise.reject(this.#failed)
    const id = ++this.#id
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject })
      this.#worker.postMessage({ id, ask } satisfies Question)
    })
  }

  #answered(answer: Answer): void {
    const waiting = this.#waiting.get(answer.id)
    this.#waiting.delete(answer.id)
    if ('error' in answer) {
      waiting?.reject(new Error(answer.error))
      return
    }
    const { depth, dropped } = this.#counts
    this.#counts = answer.counts
    if (depth !== answer.counts.depth || dropped !== answer.counts.dropped) this.#onCounts(answer.counts)
    waiting?.resolve(answer.value)
  }

  #end(err: Error): void {
    this.#failed ??= err
    for (const { reject } of this.#waiting.values()) reject(this.#failed)
    this.#waiting.clear()
  }
}

interface OutboxOptions {
  log: Logger
  bounds?: Bounds
  /** Said when depth or drops have changed. */
  onCounts?(counts: Counts): void
}
