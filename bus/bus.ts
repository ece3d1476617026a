import type { IPublishPacket, MqttClient } from 'mqtt'
import { type BusOptions, createClient } from './client.ts'
import { ContractError } from './contract-error.ts'
import { type Keep, openInbox } from './durable-subscription.ts'
import { Reconnect } from './reconnect.ts'
import { requestSubscription } from './subscription.ts'
import { decodePayload, encodePayload, fromWire, type Params, type Topic, toWire } from './topic.ts'
import { topics } from './topics.ts'
import { createWarnings, type Warn } from './warnings.ts'

interface Meta<P extends string> {
  params: Record<P, string>
  /** Sent because we subscribed, not because it happened just now. */
  retained: boolean
  /** Topic name without the prefix. */
  topic: string
}

export interface Bus extends AsyncDisposable {
  readonly connected: boolean
  /**
   * Publishes with the topic's own QoS and retain flag, and resolves when it is handed over (QoS 1: PUBACK).
   * Without a connection QoS 0 is dropped, a retained message waits as the newest of its topic, other QoS 1 messages
   * wait, {@link MAX_WAITING} at most; beyond that it throws. Throws {@link ContractError} when the payload does not
   * fit the topic.
   */
  publish<T, P extends string>(topic: Topic<T, P>, payload: T, ...params: Params<P>): Promise<void>
  /** Calls the handler with every valid payload; parameters left out match anything. Resolves after the SUBACK. */
  subscribe<T, P extends string>(
    topic: Topic<T, P>,
    handler: (payload: T, meta: Meta<P>) => void | Promise<void>,
    params?: Partial<Record<P, string>>,
  ): Promise<Disposable>
  /** Keeps every message of a topic, also those of our absence; see {@link openInbox}. One inbox per service. */
  inbox<T, P extends string>(topic: Topic<T, P>, keep: Keep<T, P>): Promise<AsyncDisposable>
  /** Merges `detail` into the retained `<service>/state` and publishes it. */
  setState(detail: Record<string, unknown>): void
  /** Calls the listener at every further connection to the broker. */
  onConnect(listener: () => void): Disposable
}

/** QoS 1 messages that wait for a broker or its PUBACK, at most. */
const MAX_WAITING = 1000

/**
 * Connects to the broker and resolves when connected; retries without end, so a broker that starts later is no error.
 * Every retained message of ours is said again after each reconnect, since a restarted broker has forgotten it.
 * Until it is connected `signal` ends the tries; then this never resolves.
 */
export async function connectBus(options: BusOptions, signal?: AbortSignal): Promise<Bus> {
  const bus = new MqttBus(options)
  signal?.addEventListener('abort', () => void bus[Symbol.asyncDispose](), { once: true })
  await bus.ready
  return bus
}

interface Subscription {
  filter: string
  deliver(name: string, packet: IPublishPacket): void
}

class MqttBus implements Bus {
  readonly ready: Promise<void>
  readonly #options: BusOptions
  readonly #client: MqttClient
  readonly #subscriptions = new Set<Subscription>()
  /** Filters whose UNSUBACK has not come yet. */
  readonly #leaving = new Map<string, Promise<unknown>>()
  readonly #connectListeners = new Set<() => void>()
  readonly #retained = new Map<string, { bytes: Buffer; qos: 0 | 1 }>()
  readonly #warn: Warn
  readonly #reconnect: Reconnect
  readonly #since = Date.now()
  #detail: Record<string, unknown> = {}
  #waiting = 0
  #closing: Promise<void> | undefined

  constructor(options: BusOptions) {
    this.#options = options
    this.#client = createClient(options, this.#state('offline'))
    this.#warn = createWarnings(options.log)
    this.#reconnect = new Reconnect(this.#client, { log: options.log, warn: this.#warn, url: options.url })
    const { promise, resolve } = Promise.withResolvers<void>()
    this.ready = promise
    this.#client.on('message', (name, _bytes, packet) => this.#dispatch(name, packet))
    this.#client.on('error', (err) => this.#warn('connection', { err }, 'bus error'))
    this.#client.on('close', () => {
      if (this.#closing === undefined) this.#reconnect.lost()
    })
    this.#client.on('connect', () => {
      this.#connected()
      resolve()
    })
  }

  get connected(): boolean {
    return this.#client.connected
  }

  async publish<T, P extends string>(topic: Topic<T, P>, payload: T, ...params: Params<P>): Promise<void> {
    const bytes = encodePayload(topic, payload)
    const name = toWire(topic, this.#options.prefix, topic.name(...params))
    if (topic.retain) {
      this.#retained.set(name, { bytes, qos: topic.qos })
      if (!this.#client.connected) return // said at the next connect, from the map
    }
    await this.#send(name, bytes, topic.qos, topic.retain)
  }

  async subscribe<T, P extends string>(
    topic: Topic<T, P>,
    handler: (payload: T, meta: Meta<P>) => void | Promise<void>,
    params?: Partial<Record<P, string>>,
  ): Promise<Disposable> {
    const filter = toWire(topic, this.#options.prefix, topic.filter(params))
    const subscription: Subscription = {
      filter,
      deliver: (wire, packet) => {
        const name = fromWire(topic, this.#options.prefix, wire)
        const found = name === undefined ? undefined : topic.match(name)
        if (found && agrees(found, params)) this.#deliver(topic, handler, found, name ?? '', packet)
      },
    }
    this.#subscriptions.add(subscription)
    await this.#requestSubscription(filter, topic.qos)
    return { [Symbol.dispose]: () => this.#unsubscribe(subscription) }
  }

  inbox<T, P extends string>(topic: Topic<T, P>, keep: Keep<T, P>): Promise<AsyncDisposable> {
    return openInbox(this.#options, topic, keep)
  }

  setState(detail: Record<string, unknown>): void {
    this.#detail = { ...this.#detail, ...detail }
    if (this.#announces) this.#announce('online')
  }

  onConnect(listener: () => void): Disposable {
    this.#connectListeners.add(listener)
    return { [Symbol.dispose]: () => void this.#connectListeners.delete(listener) }
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  get #announces(): boolean {
    return this.#options.announce !== false && !this.#closing
  }

  async #close(): Promise<void> {
    if (this.#options.announce !== false && this.#client.connected) {
      // the broker sends no last will after a DISCONNECT [MQTT-3.14.4-3]
      const offline = { ...this.#state('offline'), since: Date.now() }
      const said = this.publish(topics.serviceState, offline, { service: this.#options.service })
      await Promise.race([said, new Promise((resolve) => setTimeout(resolve, 500).unref())])
    }
    await this.#client.endAsync(!this.#client.connected)
  }

  #state(state: 'online' | 'offline') {
    return { state, version: this.#options.version, since: this.#since, ...this.#detail }
  }

  #announce(state: 'online' | 'offline'): void {
    this.#publishQuietly(
      this.publish(topics.serviceState, this.#state(state), { service: this.#options.service }),
    )
  }

  /** A publish that nobody waits for: it can only fail because the bus is closing or full, which is logged. */
  #publishQuietly(said: Promise<void>): void {
    said.catch((err: unknown) => this.#warn('publish', { err }, 'message not published'))
  }

  #connected(): void {
    this.#reconnect.connected()
    for (const [name, { bytes, qos }] of this.#retained) {
      this.#publishQuietly(this.#send(name, bytes, qos, true))
    }
    if (this.#announces) this.#announce('online')
    for (const listener of this.#connectListeners) listener()
  }

  async #send(name: string, bytes: Buffer, qos: 0 | 1, retain: boolean): Promise<void> {
    if (qos === 0) {
      if (this.#client.connected) this.#client.publish(name, bytes, { qos, retain })
      return
    }
    if (this.#waiting >= MAX_WAITING) {
      this.#warn(name, { topic: name, waiting: this.#waiting }, 'too many messages wait for the bus, dropped')
      throw new Error(`too many messages wait for the bus, ${name} dropped`)
    }
    this.#waiting++
    try {
      await this.#client.publishAsync(name, bytes, { qos, retain })
    } finally {
      this.#waiting--
    }
  }

  #dispatch(name: string, packet: IPublishPacket): void {
    for (const subscription of this.#subscriptions) subscription.deliver(name, packet)
  }

  #deliver<T, P extends string>(
    topic: Topic<T, P>,
    handler: (payload: T, meta: Meta<P>) => void | Promise<void>,
    params: Record<P, string>,
    name: string,
    packet: IPublishPacket,
  ): void {
    const failed = (err: unknown) => {
      const message = err instanceof ContractError ? 'bad message dropped' : 'message handler failed'
      this.#warn(topic.pattern, { topic: name.slice(0, 200), err }, message)
    }
    try {
      // MQTT.js hands out views of its receive buffer's chunk; Buffer is what the packet says it is for us
      const payload = decodePayload(topic, packet.payload as Buffer)
      Promise.resolve(handler(payload, { params, retained: packet.retain, topic: name })).catch(failed)
    } catch (err) {
      failed(err)
    }
  }

  async #requestSubscription(filter: string, qos: 0 | 1): Promise<void> {
    await this.#leaving.get(filter)
    await requestSubscription(this.#client, { filter, qos, closing: () => this.#closing !== undefined })
  }

  #unsubscribe(subscription: Subscription): void {
    if (!this.#subscriptions.delete(subscription) || this.#closing !== undefined) return
    for (const other of this.#subscriptions) if (other.filter === subscription.filter) return
    const { filter } = subscription
    // Aedes may carry out a SUBSCRIBE before the UNSUBSCRIBE that came first: the next one waits
    const left = this.#client.unsubscribeAsync(filter).then(
      () => this.#leaving.delete(filter),
      () => this.#leaving.delete(filter), // no connection, so no subscription either
    )
    this.#leaving.set(filter, left)
  }
}

function agrees(found: Record<string, string>, wanted: Partial<Record<string, string>> | undefined): boolean {
  return Object.entries(wanted ?? {}).every(([key, value]) => found[key] === value)
}
