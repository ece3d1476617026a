/** Privacy as every service sees it: `vision` decides and stores it, the others close what they have open. */
import { join } from 'node:path'
import { z } from 'zod'
import type { Bus } from '#bus/bus.ts'
import { PrivacyState } from '#bus/clip-messages.ts'
import { topics } from '#bus/topics.ts'
import { AtomicFile } from '../atomic-file.ts'
import type { Logger } from '../logger.ts'

/** The stored state: `manual` is what a command has set, null when the schedule decides. */
const StoredPrivacy = z.object({
  enabled: z.boolean(),
  manual: PrivacyState.nullable(),
  saved_at: z.number(),
})
export type StoredPrivacy = z.infer<typeof StoredPrivacy>

/** In `data_dir`, which the services of one robot share. */
export function privacyFile(dataDir: string, log: Logger): AtomicFile {
  return new AtomicFile(join(dataDir, 'privacy', 'state.json'), log)
}

/** The stored state; undefined before the first. A file that is damaged or cannot be read means that privacy is on. */
export async function readPrivacy(file: AtomicFile, log: Logger): Promise<StoredPrivacy | undefined> {
  try {
    const text = await file.load()
    if (text === undefined) return undefined
    return StoredPrivacy.parse(JSON.parse(text))
  } catch (err) {
    log.error(
      { err },
      'stored privacy state is damaged or cannot be read: privacy is on until it is turned off',
    )
    const manual = { enabled: true, until: null, source: 'recovered' as const }
    return { enabled: true, manual, saved_at: 0 }
  }
}

/** Whether privacy is on. */
export interface Privacy extends Disposable {
  readonly enabled: boolean
  /** Reads the stored state, then follows the bus. */
  start(): Promise<void>
}

interface PrivacyOptions {
  bus: Bus
  log: Logger
  dataDir: string
  onChanged(): void
}

/**
 * Privacy by the retained `state/privacy`. Until that arrives the stored state counts: a microphone must not open because
 * `vision` or the broker starts later.
 */
export function createPrivacy({ bus, log, dataDir, onChanged }: PrivacyOptions): Privacy {
  const stack = new DisposableStack()
  let enabled = false
  const set = (value: boolean) => {
    const changed = value !== enabled
    enabled = value
    if (changed) onChanged()
  }
  return {
    get enabled() {
      return enabled
    },
    async start() {
      set((await readPrivacy(privacyFile(dataDir, log), log))?.enabled ?? false)
      try {
        stack.use(await bus.subscribe(topics.privacy, (state) => set(state.enabled)))
      } catch (err) {
        log.error(
          { err },
          'cannot follow privacy, so it counts as on: allow ~/state/privacy in the users file of the broker',
        )
        set(true)
      }
    },
    [Symbol.dispose]: () => stack.dispose(),
  }
}
