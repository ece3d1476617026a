import { join } from 'node:path'
import { z } from 'zod'
import type { Bus } from '#bus/bus.ts'
import { ContractError } from '#bus/contract-error.ts'
import { topics } from '#bus/topics.ts'
import { AtomicFile } from '#lib/atomic-file.ts'
import type { Logger } from '#lib/logger.ts'
import type { Frame } from '../protocol/frame.ts'

/** Clips that are remembered, and that wait for the bus, at most; the oldest goes. */
const MAX_CLIPS = 2_000
const MAX_TEXT = 256

/** On the disk: `[key, updated_at]`, oldest first. */
const Kept = z.array(z.tuple([z.string(), z.string()])).max(MAX_CLIPS)

interface VoiceCommandsDeps {
  bus: Bus
  dataDir: string
  log: Logger
  /** `https://relay.example`, where relative addresses of clips begin. */
  origin: string
}

/**
 * The clips that the owner recorded. The relay sends all of them at every connect; each version is published once, also
 * across restarts (A21 in docs/field-failures.md). They are published one after another, so that nothing else waits.
 */
export class VoiceCommands implements AsyncDisposable {
  readonly #deps: VoiceCommandsDeps
  readonly #file: AtomicFile
  /** Published versions: `updated_at` by clip. */
  readonly #known = new Map<string, string>()
  readonly #waiting = new Map<string, Frame>()
  #passingOn = false
  #stopped = false

  constructor(deps: VoiceCommandsDeps) {
    this.#deps = deps
    this.#file = new AtomicFile(join(deps.dataDir, 'voice-commands.json'), deps.log)
  }

  /** Reads which versions were published. A broken file counts as none: then every clip is published again. */
  async restore(): Promise<void> {
    const text = await this.#file.read()
    if (text === undefined) return
    try {
      for (const [key, updatedAt] of Kept.parse(JSON.parse(text))) this.#known.set(key, updatedAt)
    } catch {
      this.#deps.log.warn('voice-commands.json is broken; publishing every clip again')
    }
  }

  /** One `voice_command_updated` or `voice_command_deleted`. Throws {@link ContractError} when it names no clip. */
  take(frame: Frame): void {
    const key = keyOf(frame)
    if (!isDeletion(frame) && this.#isKnown(key, versionOf(frame))) return
    this.#waiting.delete(key)
    this.#waiting.set(key, frame)
    const [oldest] = this.#waiting.keys()
    if (this.#waiting.size > MAX_CLIPS && oldest !== undefined) this.#waiting.delete(oldest)
    if (!this.#passingOn) void this.#passOn()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped = true
    await this.#file[Symbol.asyncDispose]()
  }

  /** Whether this version is published, or waits to be. */
  #isKnown(key: string, version: string | undefined): boolean {
    const waiting = this.#waiting.get(key)
    if (version === undefined || (waiting && isDeletion(waiting))) return false
    return version === (waiting ? versionOf(waiting) : this.#known.get(key))
  }

  async #passOn(): Promise<void> {
    this.#passingOn = true
    for (const [key, frame] of this.#waiting) {
      if (this.#stopped) break
      try {
        await this.#publish(frame)
        this.#remember(key, frame)
      } catch (err) {
        this.#deps.log.warn({ err }, 'voice clip not published; the relay sends it again at the next connect')
      }
      // a newer version that arrived during the publish stays in the queue
      if (this.#waiting.get(key) === frame) this.#waiting.delete(key)
    }
    this.#passingOn = false
  }

  #publish(frame: Frame): Promise<void> {
    const { bus, origin } = this.#deps
    if (isDeletion(frame)) return bus.publish(topics.cloud, frame, { type: 'voice_command_deleted' })
    const url = absolute(frame.audio_url, origin)
    return bus.publish(topics.cloud, { ...frame, url }, { type: 'voice_command_updated' })
  }

  #remember(key: string, frame: Frame): void {
    const version = isDeletion(frame) ? undefined : versionOf(frame)
    this.#known.delete(key)
    if (version !== undefined) this.#known.set(key, version)
    const [oldest] = this.#known.keys()
    if (this.#known.size > MAX_CLIPS && oldest !== undefined) this.#known.delete(oldest)
    this.#file.save(JSON.stringify([...this.#known]))
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

/** Opaque text; undefined if the version cannot be identified. */
function versionOf({ updated_at: version }: Frame): string | undefined {
  return isShort(version) ? version : undefined
}

function isShort(value: unknown): value is string {
  return typeof value === 'string' && value.length <= MAX_TEXT
}

/** The absolute address of a clip: `audio_url` is relative to the relay. Null if it is not an http address. */
function absolute(path: unknown, origin: string): string | null {
  const url = typeof path === 'string' ? URL.parse(path, origin) : null
  return url && /^https?:$/.test(url.protocol) ? url.href : null
}
