import type { Bus } from '#bus/bus.ts'
import { topics } from '#bus/topics.ts'
import type { Logger } from '#lib/logger.ts'
import type { Frame } from '../protocol/frame.ts'
import { UnknownTypes } from '../protocol/unknown-types.ts'
import { Pairing } from './pairing.ts'
import { Profiles } from './profiles.ts'
import { VoiceCommands } from './voice-commands.ts'

/** Passed on as they came; a robot service may want them. API_CONTRACT 2.1 and 8. */
const PASSED_ON = ['activity_clear', 'activity_cleared', 'audio_message', 'audio_request']

interface CloudMessagesDeps {
  bus: Bus
  log: Logger
  dataDir: string
  relay: URL
  /** Is the link up? */
  online: () => boolean
  /** Shorter in tests. */
  pairedWithin?: number | undefined
}

/** What the relay says beside signalling and commands: to `cloud/<type>`, and some of it is kept. */
export class CloudMessages implements AsyncDisposable {
  readonly #bus: Bus
  readonly #profiles: Profiles
  readonly #voice: VoiceCommands
  readonly #pairing: Pairing
  readonly #unknown: UnknownTypes
  readonly #handlers: ReadonlyMap<string, (frame: Frame) => Promise<void> | void>

  constructor({ bus, log, dataDir, relay, online, pairedWithin }: CloudMessagesDeps) {
    this.#bus = bus
    this.#profiles = new Profiles({ bus, dataDir, log })
    this.#voice = new VoiceCommands({ bus, dataDir, log, origin: httpOrigin(relay) })
    this.#pairing = new Pairing({ bus, log, online, within: pairedWithin })
    this.#unknown = new UnknownTypes(bus, log)
    const voice = (frame: Frame) => this.#voice.take(frame)
    this.#handlers = new Map<string, (frame: Frame) => Promise<void> | void>([
      ['profiles', (frame) => this.#profilesCame(frame)],
      ['voice_command_updated', voice],
      ['voice_command_deleted', voice],
      ...PASSED_ON.map((type) => [type, (frame: Frame) => this.#passOn(type, frame)] as const),
    ])
  }

  /** Types that are known here. */
  get types(): Iterable<string> {
    return this.#handlers.keys()
  }

  /** Reads what was kept, and publishes the dogs before the relay is there. */
  async restore(): Promise<void> {
    await Promise.all([this.#profiles.restore(), this.#voice.restore()])
  }

  /** The relay knows us. */
  registered(): void {
    this.#pairing.registered()
  }

  /** One frame of this type, known or not. Rejects with a ContractError when it cannot be used. */
  async take(type: string, frame: Frame): Promise<void> {
    const handle = this.#handlers.get(type)
    if (handle) return await handle(frame)
    this.#unknown.count(type)
    await this.#passOn(type, frame)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#pairing[Symbol.dispose]()
    this.#unknown[Symbol.dispose]()
    await Promise.all([this.#profiles[Symbol.asyncDispose](), this.#voice[Symbol.asyncDispose]()])
  }

  #profilesCame(frame: Frame): Promise<void> {
    this.#pairing.profilesCame()
    return this.#profiles.take(frame)
  }

  #passOn(type: string, frame: Frame): Promise<void> {
    return this.#bus.publish(topics.cloud, frame, { type })
  }
}

/** Where the relay serves files: the origin of its WebSocket address, without credentials (API_CONTRACT 5.4). */
function httpOrigin({ protocol, host }: URL): string {
  return `${protocol === 'wss:' ? 'https' : 'http'}://${host}`
}
