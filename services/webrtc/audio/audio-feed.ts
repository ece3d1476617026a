/** The robot's sound for all viewers: subscribed and packetized once, only while a viewer is there. */
import type { Bus } from '#bus/bus.ts'
import { decodeOpusPacket } from '#bus/opus-packet.ts'
import { topics } from '#bus/topics.ts'
import type { Logger } from '#lib/logger.ts'
import type { EventCounter } from '#lib/metrics/event-counter.ts'
import { MaxAgeFilter } from '../rtp/max-age-filter.ts'
import { PacketClock } from './packet-clock.ts'

/** One Opus packet for every viewer. */
export interface AudioPacket {
  payload: Buffer
  /** 48 kHz, 32 bits. */
  timestamp: number
  /** The first one, or the first after a gap. */
  begins: boolean
  /** ms since the epoch. */
  capturedAt: number
}

export interface AudioFeed extends AsyncDisposable {
  /** From now on `sink` receives the packets. */
  join(sink: (packet: AudioPacket) => void): Disposable
}

interface AudioFeedDeps {
  bus: Bus
  log: Logger
  discarded: EventCounter
}

/** Packets that have waited longer are discarded: after a delay the sound continues live. */
const MAX_AGE_MS = 100

/** Resolves when a demand that an earlier run has left is cleared. */
export async function openAudioFeed(deps: AudioFeedDeps): Promise<AudioFeed> {
  await deps.bus.publish(topics.audioDemand, null, { who: 'webrtc' })
  return new SharedFeed(deps)
}

/** The feed of a robot without a microphone. */
export const NO_AUDIO: AudioFeed = {
  join: () => ({ [Symbol.dispose]() {} }),
  [Symbol.asyncDispose]: () => Promise.resolve(),
}

class SharedFeed implements AudioFeed {
  readonly #deps: AudioFeedDeps
  readonly #sinks = new Set<(packet: AudioPacket) => void>()
  readonly #maxAge = new MaxAgeFilter({ maxAge: MAX_AGE_MS })
  readonly #clock = new PacketClock()
  #subscribed: Promise<Disposable> | undefined

  constructor(deps: AudioFeedDeps) {
    this.#deps = deps
  }

  join(sink: (packet: AudioPacket) => void): Disposable {
    this.#sinks.add(sink)
    if (this.#sinks.size === 1) this.#begin()
    return {
      [Symbol.dispose]: () => {
        if (this.#sinks.delete(sink) && this.#sinks.size === 0) this.#end()
      },
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#sinks.clear()
    this.#unsubscribe()
    await this.#deps.bus.publish(topics.audioDemand, null, { who: 'webrtc' })
  }

  #begin(): void {
    const { bus, log } = this.#deps
    const subscribed = bus.subscribe(topics.opus, (bytes) => {
      if (subscribed === this.#subscribed) this.#receive(bytes)
    })
    subscribed.catch((err: unknown) => log.error({ err }, 'cannot subscribe to the audio'))
    this.#subscribed = subscribed
    this.#publish({})
  }

  #end(): void {
    this.#unsubscribe()
    this.#publish(null)
  }

  #unsubscribe(): void {
    this.#subscribed?.then(
      (subscription) => subscription[Symbol.dispose](),
      () => undefined, // logged above
    )
    this.#subscribed = undefined
  }

  #publish(demand: object | null): void {
    const { bus, log } = this.#deps
    bus
      .publish(topics.audioDemand, demand, { who: 'webrtc' })
      .catch((err: unknown) => log.error({ err }, 'audio demand not published'))
  }

  #receive(bytes: Buffer): void {
    const { capturedAt: us, data } = decodeOpusPacket(bytes)
    const capturedAt = Number(us) / 1000
    if (!this.#maxAge.accepts(capturedAt)) {
      this.#deps.discarded.count('audio too old')
      return
    }
    // a copy: the message's memory belongs to a larger read of the connection
    const packet = { payload: Buffer.from(data), capturedAt, ...this.#clock.next(capturedAt) }
    for (const sink of this.#sinks) sink(packet)
  }
}
