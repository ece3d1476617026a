import { EventEmitter } from 'node:events'
import { type FileHandle, open } from 'node:fs/promises'

/** Bytes that may wait for a slow disk. */
const MAX_WAITING_BYTES = 8 * 1024 * 1024
/** A flush takes at most this share of the time. */
const SYNC_SHARE = 1 / 20

interface GrowingFileEvents {
  /** Written so far, whole pieces only, ms for the last write. */
  written: [bytes: number, ms: number]
  synced: [ms: number]
  /** The system's error. The file ends with the last whole piece, and takes no more. */
  failed: [err: unknown]
}

/**
 * A file that is written at its end, piece by piece, in the background. It is flushed to the disk between two pieces, at an interval
 * that leaves a slow disk alone most of the time.
 */
export class GrowingFile extends EventEmitter<GrowingFileEvents> {
  readonly #file: FileHandle
  readonly #syncInterval: number
  readonly #queue: Buffer[] = []
  #waiting = 0
  #written = 0
  #working: Promise<void> | undefined
  #failed = false
  #nextSync: number

  /** Creates the file, for this user only; rejects when there is one already. `syncInterval` in ms. */
  static async create(path: string, syncInterval: number): Promise<GrowingFile> {
    return new GrowingFile(await open(path, 'wx', 0o600), syncInterval)
  }

  private constructor(file: FileHandle, syncInterval: number) {
    super()
    this.#file = file
    this.#syncInterval = syncInterval
    this.#nextSync = performance.now() + syncInterval
  }

  /** Nothing waits to be written. */
  get idle(): boolean {
    return this.#working === undefined
  }

  get failed(): boolean {
    return this.#failed
  }

  /** False when too much is waiting: this piece is not written. */
  append(piece: Buffer): boolean {
    if (this.#failed || this.#waiting + piece.length > MAX_WAITING_BYTES) return false
    this.#queue.push(piece)
    this.#waiting += piece.length
    this.#working ??= this.#work()
    return true
  }

  /** Writes these when everything is written, flushes the file and closes it. Never rejects: see `failed`. */
  async finish(patches: readonly { at: number; data: Buffer }[]): Promise<void> {
    await this.#working
    try {
      if (!this.#failed) {
        for (const { at, data } of patches) await writeAll(this.#file, data, at)
        await this.#file.datasync()
      }
    } catch (err) {
      this.#fail(err)
    } finally {
      await this.#file.close().catch(() => {})
    }
  }

  async #work(): Promise<void> {
    for (let piece = this.#queue[0]; piece && !this.#failed; piece = this.#queue[0]) {
      try {
        const start = performance.now()
        await writeAll(this.#file, piece, this.#written)
        this.#written += piece.length
        this.emit('written', this.#written, performance.now() - start)
        await this.#sync()
      } catch (err) {
        // half a fragment would make some players stop early
        await this.#file.truncate(this.#written).catch(() => {})
        this.#fail(err)
      }
      if (this.#queue.shift()) this.#waiting -= piece.length
    }
    // here and not in a `finally`: a piece that is added in between would wait for the next one
    this.#working = undefined
  }

  async #sync(): Promise<void> {
    const start = performance.now()
    if (start < this.#nextSync) return
    await this.#file.datasync()
    const took = performance.now() - start
    this.#nextSync = start + Math.max(this.#syncInterval, took / SYNC_SHARE)
    this.emit('synced', took)
  }

  #fail(err: unknown): void {
    if (this.#failed) return
    this.#failed = true
    this.#queue.length = 0
    this.#waiting = 0
    this.emit('failed', err)
  }
}

/** `write` may write less than it was given. */
async function writeAll(file: FileHandle, data: Buffer, position: number): Promise<void> {
  for (let done = 0; done < data.length; ) {
    const { bytesWritten } = await file.write(data, done, data.length - done, position + done)
    done += bytesWritten
  }
}
