import { join } from 'node:path'
import { z } from 'zod'
import type { Bus } from '#bus/bus.ts'
import { ContractError } from '#bus/contract-error.ts'
import { topics } from '#bus/topics.ts'
import { AtomicFile } from '#lib/atomic-file.ts'
import { isObject } from '#lib/json-object.ts'
import type { Logger } from '#lib/logger.ts'
import type { Frame } from '../protocol/frame.ts'

/** A relay can send `profiles` as often as it likes. */
const SAVE_INTERVAL_MS = 1_000

/** The file: the frame as received. */
const Kept = z.looseObject({ profiles: z.array(z.looseObject({ dog_id: z.string() })) })

interface ProfilesDeps {
  bus: Bus
  dataDir: string
  log: Logger
}

/** The owner's dogs: retained on the bus and kept on disk, since the relay cannot be asked for them (docs/field-failures.md, A20). */
export class Profiles implements AsyncDisposable {
  readonly #bus: Bus
  readonly #file: AtomicFile
  readonly #log: Logger

  constructor({ bus, dataDir, log }: ProfilesDeps) {
    this.#bus = bus
    this.#log = log
    this.#file = new AtomicFile(join(dataDir, 'profiles.json'), log, { interval: SAVE_INTERVAL_MS })
  }

  /** Publishes the profiles of the last run. A broken file counts as none. */
  async restore(): Promise<void> {
    const text = await this.#file.read()
    if (text === undefined) return
    const kept = Kept.safeParse(jsonOf(text))
    if (kept.success) await this.#bus.publish(topics.cloudProfiles, kept.data)
    else this.#log.warn('profiles.json is broken; waiting for the relay to send the profiles again')
  }

  /**
   * Replaces the whole list. An empty list means no dogs; any field but `dog_id` may be null (docs/field-failures.md,
   * I12). Throws {@link ContractError} and keeps the old list if there is none.
   */
  async ingest(frame: Frame): Promise<void> {
    if (!Array.isArray(frame.profiles)) throw new ContractError('profiles without a list')
    const profiles = frame.profiles.filter((dog) => isObject(dog) && typeof dog.dog_id === 'string')
    const snapshot = { ...frame, profiles }
    // first, since it rejects a list that is too large
    await this.#bus.publish(topics.cloudProfiles, snapshot)
    this.#file.save(() => JSON.stringify(snapshot))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file[Symbol.asyncDispose]()
  }
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
