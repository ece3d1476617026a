import { dirname } from 'node:path'
import { createFolder } from '#lib/process/disk.ts'
import type { Clip } from '../clip.ts'
import { type HistoryBounds, HistoryStore, isDamage } from './history-store.ts'
import type { HistoryRecord } from './records.ts'

/** Of the records in memory: the process has 256 MiB. */
const MEMORY_BYTES = 16 * 1024 * 1024

/** What happened to the file. */
export interface FileState {
  /** Differs for each file, or memory, that is in use; a new one has no clips. */
  generation: number
  /** Where a damaged one is kept. */
  damaged: string | undefined
  /** Why it cannot be written; the records are in memory until it can be. */
  unwritable: string | undefined
}

/** Methods of the store that need no recovery of their own. */
export type HistoryQuery = 'list' | 'count' | 'filterValues' | 'pictureOf' | 'setDeleted' | 'deletedBefore'

/**
 * A {@link HistoryStore} on disk; one in memory while the file cannot be opened, as on a full or read-only disk. A file that turns
 * out to be damaged while it is in use is set aside, as at the start. A new file has no clips until `reconcile`.
 */
export class RecoveringHistory implements Disposable {
  readonly #path: string
  readonly #reopenMs: number
  #store: HistoryStore
  /** Monotonic. */
  #nextAttempt = 0
  #generation = 0
  #damaged: string | undefined
  #unwritable: string | undefined

  /** `reopenMs`: between two attempts to open a file that could not be opened. */
  constructor(path: string, reopenMs: number) {
    this.#path = path
    this.#reopenMs = reopenMs
    this.#store = this.#open() ?? inMemory()
  }

  get file(): FileState {
    return { generation: this.#generation, damaged: this.#damaged, unwritable: this.#unwritable }
  }

  /** Makes the table of clips that of the files. */
  reconcile(clips: readonly Clip[]): void {
    this.#guarded(() => this.#store.reconcile(clips))
  }

  /** Deletes what is beyond the bounds; returns the pictures of deleted tracks. */
  prune({ days, bytes }: HistoryBounds, now: number): string[] {
    const most = this.#unwritable === undefined ? bytes : Math.min(bytes, MEMORY_BYTES)
    return this.#guarded(() => this.#store.prune({ days, bytes: most }, now))
  }

  /** As {@link HistoryStore.write}: when it throws, nothing is written, and the caller may repeat the records. */
  write(records: readonly HistoryRecord[]): number {
    if (this.#unwritable !== undefined && performance.now() >= this.#nextAttempt) this.#reopen()
    return this.#guarded(() => this.#store.write(records))
  }

  query<Q extends HistoryQuery>(method: Q, args: Parameters<HistoryStore[Q]>): ReturnType<HistoryStore[Q]> {
    const call = () =>
      (this.#store[method] as (...given: Parameters<HistoryStore[Q]>) => ReturnType<HistoryStore[Q]>)(...args)
    return this.#guarded(call)
  }

  [Symbol.dispose](): void {
    this.#store[Symbol.dispose]()
  }

  /**
   * Repeats the work where the file is damaged: with the file as its check leaves it, then, since that does not find all damage,
   * such as a wrong entry of an index, with a new one.
   */
  #guarded<T>(work: () => T): T {
    for (const isDamaged of [false, true]) {
      try {
        return work()
      } catch (err) {
        if (!isDamage(err) || this.#unwritable !== undefined) throw err
        this.#store[Symbol.dispose]()
        this.#store = this.#open(isDamaged) ?? inMemory()
        this.#generation++
      }
    }
    return work()
  }

  /** Moves the records in memory to the file, if it can be opened now. */
  #reopen(): void {
    this.#nextAttempt = performance.now() + this.#reopenMs
    const onDisk = this.#open()
    if (!onDisk) return
    try {
      onDisk.adopt(this.#store)
    } catch (err) {
      onDisk[Symbol.dispose]()
      this.#unwritable = (err as Error).message
      return
    }
    this.#store[Symbol.dispose]()
    this.#store = onDisk
    this.#generation++
  }

  /** `isDamaged`: a new file in place of this one. */
  #open(isDamaged = false): HistoryStore | undefined {
    try {
      createFolder(dirname(this.#path))
      const { store, damaged } = openAndEnd(this.#path, isDamaged)
      if (damaged !== undefined) this.#damaged = damaged
      this.#unwritable = undefined
      return store
    } catch (err) {
      if (isDamage(err) && !isDamaged) return this.#open(true)
      this.#unwritable = (err as Error).message
      return undefined
    }
  }
}

/** Opens the file, and ends what an earlier run left open. Throws the error of SQLite. */
function openAndEnd(path: string, isDamaged: boolean): ReturnType<typeof HistoryStore.open> {
  const opened = HistoryStore.open(path, isDamaged)
  try {
    opened.store.closeOpen(Date.now())
    return opened
  } catch (err) {
    opened.store[Symbol.dispose]()
    throw err
  }
}

function inMemory(): HistoryStore {
  return HistoryStore.open(':memory:').store
}
