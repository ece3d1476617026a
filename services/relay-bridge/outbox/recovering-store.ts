import { dirname } from 'node:path'
import { createFolder } from '#lib/process/disk.ts'
import { type Bounds, type DeliveryKey, type Entry, OutboxStore } from './outbox-store.ts'

/** Of the events in memory: the process has 256 MiB. */
const MEMORY_BYTES = 16 * 1024 * 1024

/**
 * An {@link OutboxStore} on disk; one in memory while the file cannot be opened, as on a full or read-only disk, so that a robot
 * is reachable, and its events arrive, with a broken card. `reopen()` moves them to the file when that is possible.
 */
export class RecoveringStore implements Disposable {
  readonly #path: string
  readonly #bounds: Bounds
  #store: OutboxStore
  #damaged: string | undefined
  #unwritable: string | undefined
  /** Added to the sequence numbers of the file: they must not repeat those of the events in memory. */
  #offset = 0
  /** Highest sequence number in memory so far. */
  #highest = 0

  constructor(path: string, bounds: Bounds) {
    this.#path = path
    this.#bounds = bounds
    this.#store = this.#open() ?? inMemory(bounds)
  }

  /** Where a damaged file is kept. */
  get damaged(): string | undefined {
    return this.#damaged
  }

  /** Why the file cannot be opened. */
  get unwritable(): string | undefined {
    return this.#unwritable
  }

  get counts() {
    return this.#store.counts
  }

  /** Moves the events to the file, if it can be opened now. They may be sent again, with the same ids. */
  reopen(): void {
    if (this.#unwritable === undefined) return
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
    this.#offset = this.#highest
  }

  append(name: string, frame: string, origin?: DeliveryKey): boolean {
    return this.#store.append(name, frame, origin)
  }

  after(seq: number, limit: { count: number; bytes: number }): Entry[] {
    const entries = this.#store.after(seq - this.#offset, limit)
    if (this.#offset > 0) for (const entry of entries) entry.seq += this.#offset
    if (this.#unwritable !== undefined) this.#highest = Math.max(this.#highest, entries.at(-1)?.seq ?? 0)
    return entries
  }

  deleteUpTo(seq: number): void {
    this.#store.deleteUpTo(seq - this.#offset)
  }

  reject(seq: number): void {
    this.#store.reject(seq - this.#offset)
  }

  [Symbol.dispose](): void {
    this.#store[Symbol.dispose]()
  }

  #open(): OutboxStore | undefined {
    try {
      createFolder(dirname(this.#path))
      const { store, damaged } = OutboxStore.open(this.#path, this.#bounds)
      this.#damaged ??= damaged
      this.#unwritable = undefined
      return store
    } catch (err) {
      this.#unwritable = (err as Error).message
      return undefined
    }
  }
}

function inMemory({ events, bytes }: Bounds): OutboxStore {
  return OutboxStore.open(':memory:', { events, bytes: Math.min(bytes, MEMORY_BYTES) }).store
}
