/** The room of what the relay and the apps know of the robot's state, and of the relay's other messages. */
import type { Bus } from '#bus/bus.ts'
import { topics } from '#bus/topics.ts'
import type { Logger } from '#lib/logger.ts'
import type { Frame } from '../protocol/frame.ts'
import { UnknownTypes } from '../protocol/unknown-types.ts'
import { Pairing } from './pairing.ts'
import { Profiles } from './profiles.ts'
import { VoiceCommands } from './voice-commands.ts'

/** Published unchanged, for robot services. */
const PUBLISHED_AS_IS = ['activity_clear', 'activity_cleared', 'audio_message', 'audio_request']

interface CloudMessagesDeps {
  bus: Bus
  log: Logger
  dataDir: string
  relay: URL
  connection: { readonly registered: boolean }
  /** Shorter in tests. */
  pairedWithin?: number | undefined
}

/** The relay's messages other than signaling and commands: published on `cloud/<type>`, and some kept on disk. */
export class CloudMessages implements AsyncDisposable {
  readonly #bus: Bus
  readonly #profiles: Profiles
  readonly #voice: VoiceCommands
  readonly #pairing: Pairing
  readonly #unknown: UnknownTypes
  readonly #handlers: ReadonlyMap<string, (frame: Frame) => Promise<void> | void>

  constructor({ bus, log, dataDir, relay, connection, pairedWithin }: CloudMessagesDeps) {
    this.#bus = bus
    this.#profiles = new Profiles({ bus, dataDir, log })
    this.#voice = new VoiceCommands({ bus, dataDir, log, origin: httpOrigin(relay) })
    this.#pairing = new Pairing({ bus, log, connection, within: pairedWithin })
    this.#unknown = new UnknownTypes(bus, log)
    const voice = (frame: Frame) => this.#voice.ingest(frame)
    this.#handlers = new Map<string, (frame: Frame) => Promise<void> | void>([
      ['profiles', (frame) => this.#ingestProfiles(frame)],
      ['voice_command_updated', voice],
      ['voice_command_deleted', voice],
      ...PUBLISHED_AS_IS.map((type) => [type, (frame: Frame) => this.#publish(type, frame)] as const),
    ])
  }

  /** The types that have a handler. */
  get types(): Iterable<string> {
    return this.#handlers.keys()
  }

  /** Reads the state of the last run, and publishes its profiles before the relay is connected. */
  async restore(): Promise<void> {
    await Promise.all([this.#profiles.restore(), this.#voice.restore()])
  }

  /** The connection is registered. */
  registered(): void {
    this.#pairing.registered()
  }

  /** One frame of a known or unknown type. Rejects with a ContractError if it is malformed. */
  async ingest(type: string, frame: Frame): Promise<void> {
    const handle = this.#handlers.get(type)
    if (handle) return await handle(frame)
    this.#unknown.count(type)
    await this.#publish(type, frame)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#pairing[Symbol.dispose]()
    this.#unknown[Symbol.dispose]()
    await Promise.all([this.#profiles[Symbol.asyncDispose](), this.#voice[Symbol.asyncDispose]()])
  }

  #ingestProfiles(frame: Frame): Promise<void> {
    this.#pairing.profilesReceived()
    return this.#profiles.ingest(frame)
  }

  #publish(type: string, frame: Frame): Promise<void> {
    return this.#bus.publish(topics.cloud, frame, { type })
  }
}

/** The origin of the relay's files. */
function httpOrigin({ protocol, host }: URL): string {
  return `${protocol === 'wss:' ? 'https' : 'http'}://${host}`
}
