import { join } from 'node:path'
import { z } from 'zod'
import type { Bus } from '#bus/bus.ts'
import { ContractError } from '#bus/contract-error.ts'
import { topics } from '#bus/topics.ts'
import { AtomicFile } from '#lib/atomic-file.ts'
import type { Logger } from '#lib/logger.ts'
import type { Frame } from '../protocol/frame.ts'

/** Clips whose version is stored, and clips that are queued for the bus; beyond this the oldest is dropped. */
const MAX_CLIPS = 2_000
/** Longest id or version, characters. */
const MAX_TEXT_LENGTH = 256
const SAVE_INTERVAL_MS = 1_000

/** The file: `[key, updated_at]` of each clip, oldest first. */
const StoredVersions = z.array(z.tuple([z.string(), z.string()])).max(MAX_CLIPS)

interface VoiceCommandsDeps {
  bus: Bus
  dataDir: string
  log: Logger
  /** Base of the relative clip URLs, such as `https://relay.example`. */
  origin: string
}

/**
 * The voice clips of the owner. The relay replays all of them on each connect; each version is published once, across
 * restarts too (docs/field-failures.md, A21). One publish at a time, so that a replay delays no other message.
 */
export class VoiceCommands implements AsyncDisposable {
  readonly #deps: VoiceCommandsDeps
  readonly #file: AtomicFile
  /** `updated_at` of the published version, by clip key. */
  readonly #published = new Map<string, string>()
  readonly #queue = new Map<string, Frame>()
  #publishing = false
  #stopped = false

  constructor(deps: VoiceCommandsDeps) {
    this.#deps = deps
    this.#file = new AtomicFile(join(deps.dataDir, 'voice-commands.json'), deps.log, {
      interval: SAVE_INTERVAL_MS,
    })
  }

  /** Loads the published versions. With a broken file every clip is published again. */
  async restore(): Promise<void> {
    const text = await this.#file.read()
    if (text === undefined) return
    try {
      for (const [key, updatedAt] of StoredVersions.parse(JSON.parse(text)))
        this.#published.set(key, updatedAt)
    } catch {
      this.#deps.log.warn('voice-commands.json is broken; publishing every clip again')
    }
  }

  /** Queues a `voice_command_updated` or `voice_command_deleted`. Throws {@link ContractError} without valid ids. */
  ingest(frame: Frame): void {
    const key = keyOf(frame)
    if (!isDeletion(frame) && this.#isKnown(key, versionOf(frame))) return
    this.#queue.delete(key)
    this.#queue.set(key, frame)
    const [oldest] = this.#queue.keys()
    if (this.#queue.size > MAX_CLIPS && oldest !== undefined) this.#queue.delete(oldest)
    if (!this.#publishing) void this.#publishQueue()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped = true
    await this.#file[Symbol.asyncDispose]()
  }

  /** Whether this version is published or queued. */
  #isKnown(key: string, version: string | undefined): boolean {
    const queued = this.#queue.get(key)
    if (version === undefined || (queued && isDeletion(queued))) return false
    return version === (queued ? versionOf(queued) : this.#published.get(key))
  }

  async #publishQueue(): Promise<void> {
    this.#publishing = true
    for (const [key, frame] of this.#queue) {
      if (this.#stopped) break
      try {
        await this.#publish(frame)
        this.#store(key, frame)
      } catch (err) {
        this.#deps.log.warn({ err }, 'voice clip not published; the relay sends it again at the next connect')
      }
      // a version that arrived during the publish stays queued
      if (this.#queue.get(key) === frame) this.#queue.delete(key)
    }
    this.#publishing = false
  }

  #publish(frame: Frame): Promise<void> {
    const { bus, origin } = this.#deps
    if (isDeletion(frame)) return bus.publish(topics.cloud, frame, { type: 'voice_command_deleted' })
    const url = absoluteUrl(frame.audio_url, origin)
    return bus.publish(topics.cloud, { ...frame, url }, { type: 'voice_command_updated' })
  }

  #store(key: string, frame: Frame): void {
    const version = isDeletion(frame) ? undefined : versionOf(frame)
    this.#published.delete(key)
    if (version !== undefined) this.#published.set(key, version)
    const [oldest] = this.#published.keys()
    if (this.#published.size > MAX_CLIPS && oldest !== undefined) this.#published.delete(oldest)
    this.#file.save(() => JSON.stringify([...this.#published]))
  }
}

function isDeletion(frame: Frame): boolean {
  return frame.type === 'voice_command_deleted'
}

function keyOf({ type, dog_id: dog, command_id: command }: Frame): string {
  if (!isShort(dog) || !isShort(command))
    throw new ContractError(`${String(type)} without dog_id or command_id`)
  return JSON.stringify([dog, command])
}

/** `updated_at`, compared as text; undefined if it is missing or invalid. */
function versionOf({ updated_at: version }: Frame): string | undefined {
  return isShort(version) ? version : undefined
}

function isShort(value: unknown): value is string {
  return typeof value === 'string' && value.length <= MAX_TEXT_LENGTH
}

/** `audio_url` resolved against the relay; null unless it is an HTTP URL. */
function absoluteUrl(path: unknown, origin: string): string | null {
  const url = typeof path === 'string' ? URL.parse(path, origin) : null
  return url && /^https?:$/.test(url.protocol) ? url.href : null
}
