import type { Logger } from '#lib/logger.ts'
import type { ClipStore } from '../clip.ts'
import type { History } from './history.ts'

/** Time to take a deletion back. */
const UNDO_MS = 30_000
const SWEEP_INTERVAL_MS = 5_000

/** Deletes clips on request: hidden at once, and deleted when the time to undo it is over and no client watches them. */
export class ClipRemover implements Disposable {
  readonly #history: Pick<History, 'setDeleted' | 'deletedBefore'>
  readonly #clips: Pick<ClipStore, 'get' | 'remove'>
  readonly #log: Logger
  readonly #timer: NodeJS.Timeout

  constructor(
    history: Pick<History, 'setDeleted' | 'deletedBefore'>,
    clips: Pick<ClipStore, 'get' | 'remove'>,
    log: Logger,
  ) {
    this.#history = history
    this.#clips = clips
    this.#log = log
    const sweep = () =>
      void this.sweep(Date.now()).catch((err: unknown) =>
        log.warn({ err }, 'clips cannot be deleted, retrying'),
      )
    this.#timer = setInterval(sweep, SWEEP_INTERVAL_MS)
    this.#timer.unref()
  }

  async hide(id: string): Promise<void> {
    await this.#history.setDeleted(id, Date.now())
  }

  async restore(id: string): Promise<void> {
    await this.#history.setDeleted(id, null)
  }

  /** Deletes what was hidden long enough ago. */
  async sweep(now: number): Promise<void> {
    for (const id of await this.#history.deletedBefore(now - UNDO_MS)) {
      if (await this.#clips.remove(id)) this.#log.info({ clip: id }, 'clip deleted on request')
    }
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer)
  }
}
