import type { Bus } from '#bus/bus.ts'
import type { Readings } from '#bus/messages.ts'
import { topics } from '#bus/topics.ts'
import { type MachineReadings, readMachine } from './machine.ts'

interface ReadingsOptions {
  bus: Bus
  dataDir: string
  /** Interval of looks at the machine and at the loudness (ms). */
  intervalMs: number
  read?: (dataDir: string) => Promise<MachineReadings>
}

/** Sources of telemetry that are remembered; a client may invent names. */
const MAX_SOURCES = 100

/** What a source of telemetry said last. */
interface Told {
  treats?: number
  temperature?: number
  wifi?: number
}

/**
 * Publishes `homeassistant/readings` when one of them changes. Telemetry of robot services goes before what the kernel of this
 * machine says.
 */
export class ReadingsReport implements Disposable {
  readonly #options: ReadingsOptions
  readonly #stack = new DisposableStack()
  /** Newest last. */
  readonly #told = new Map<string, Told>()
  #machine: MachineReadings = { temperature: null, wifi_signal: null, storage_free: null }
  #loudest: number | null = null
  #soundLevel: number | null = null
  #published = ''

  constructor(options: ReadingsOptions) {
    this.#options = options
  }

  async start(): Promise<void> {
    const { bus, intervalMs } = this.#options
    const subscriptions = await Promise.all([
      bus.subscribe(topics.telemetry, (reading, { params }) => this.#onTelemetry(params.source, reading)),
      bus.subscribe(topics.event, ({ remaining }) => this.#onTreats(remaining), { name: 'treat_dispensed' }),
      bus.subscribe(topics.event, () => this.#onTreats(0), { name: 'dispenser_empty' }),
      bus.subscribe(topics.audioLevel, ({ rms_dbfs }) => {
        this.#loudest = Math.max(this.#loudest ?? rms_dbfs, rms_dbfs)
      }),
    ])
    for (const subscription of subscriptions) this.#stack.use(subscription)
    const timer = setInterval(() => void this.#look(), intervalMs)
    this.#stack.defer(() => clearInterval(timer))
    await this.#look()
  }

  /** Publishes if a reading has changed, or anyway. */
  publish(anyway = false): void {
    const readings = this.#readings()
    const text = JSON.stringify(readings)
    if (text === this.#published && !anyway) return
    this.#published = text
    this.#options.bus.publish(topics.readings, readings).catch(() => {}) // logged by the bus
  }

  [Symbol.dispose](): void {
    this.#stack.dispose()
  }

  async #look(): Promise<void> {
    const { dataDir, read = readMachine } = this.#options
    this.#soundLevel = this.#loudest === null ? null : Math.round(this.#loudest)
    this.#loudest = null
    this.#machine = await read(dataDir)
    this.publish()
  }

  #onTelemetry(source: string, reading: Readonly<Record<string, unknown>> | null): void {
    const { treats_remaining, temperature, signal } = reading ?? {}
    this.#remember(source, {
      ...(isNumber(treats_remaining) && { treats: Math.trunc(treats_remaining) }),
      // that of the battery is another quantity
      ...(source !== 'battery' && isNumber(temperature) && { temperature: Math.round(temperature) }),
      ...(source === 'network_state' && isNumber(signal) && { wifi: Math.round(signal) }),
    })
  }

  #onTreats(remaining: unknown): void {
    if (isNumber(remaining)) this.#remember('event', { treats: Math.trunc(remaining) })
  }

  #remember(source: string, told: Told): void {
    this.#told.delete(source)
    const isNews = Object.keys(told).length > 0
    if (isNews && this.#told.size < MAX_SOURCES) this.#told.set(source, told)
    this.publish()
  }

  #readings(): Readings {
    const { treats, temperature, wifi } = Object.assign({}, ...this.#told.values()) as Told
    return {
      treats_left: treats ?? null,
      temperature: temperature ?? this.#machine.temperature,
      wifi_signal: wifi ?? this.#machine.wifi_signal,
      storage_free: this.#machine.storage_free,
      sound_level: this.#soundLevel,
    }
  }
}

function isNumber(value: unknown): value is number {
  return Number.isFinite(value)
}
