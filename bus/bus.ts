import type { IPublishPacket, ISubscriptionMap, MqttClient } from 'mqtt'
import { type BusOptions, createClient } from './client.ts'
import { ContractError } from './contract-error.ts'
import { type DurableHandler, subscribeDurably } from './durable-subscription.ts'
import { Reconnect } from './reconnect.ts'
import { requestSubscription } from './subscription.ts'
import { decodePayload, encodePayload, fromWire, type Params, type Topic, toWire } from './topic.ts'
import { isRetainable, topics } from './topics.ts'
import { createWarnings, type Warn } from './warnings.ts'

interface Meta<P extends string> {
  params: Record<P, string>
  /** Sent because of the subscription, not because it was just published. */
  retained: boolean
  /** Topic name without the prefix. */
  topic: string
}

export interface Bus extends AsyncDisposable {
  readonly connected: boolean
  /**
   * Publishes with the topic's QoS and retain flag. Resolves when it is written (QoS 0) or acknowledged (QoS 1).
   * Without a connection a QoS 0 message is dropped, a retained message replaces the pending one of its topic, and up to
   * {@link MAX_PENDING} other QoS 1 messages are queued; beyond that it throws. Throws {@link ContractError} if the
   * payload does not match the topic's schema.
   */
  publish<T, P extends string>(topic: Topic<T, P>, payload: T, ...params: Params<P>): Promise<void>
  /** Calls the handler with each valid payload; omitted parameters match any value. Resolves after the SUBACK. */
  subscribe<T, P extends string>(
    topic: Topic<T, P>,
    handler: (payload: T, meta: Meta<P>) => void | Promise<void>,
    params?: Partial<Record<P, string>>,
  ): Promise<Disposable>
  /** Also receives the messages that were published while the service was offline; see {@link subscribeDurably}. One per service. */
  subscribeDurably<T, P extends string>(
    topic: Topic<T, P>,
    handler: DurableHandler<T, P>,
  ): Promise<AsyncDisposable>
  /** The service is subscribed and serves requests: publishes `online`, from now on after each reconnect as well. */
  serving(): void
  /** Merges `detail` into the retained `<service>/state` and publishes it. */
  setState(detail: Record<string, unknown>): void
  /** Calls the listener on each reconnect. */
  onConnect(listener: () => void): Disposable
}

/** QoS 1 messages that are queued or not yet acknowledged. */
const MAX_PENDING = 1000
/** Further ones for commands, so that no other traffic makes a stop fail. */
const RESERVED_FOR_COMMANDS = 500
/** The publication of `offline` must not delay the stop. */
const OFFLINE_DEADLINE_MS = 500

/**
 * Connects to the broker and resolves when connected. It retries without limit: the broker may start later. After each
 * reconnect it publishes its retained messages again, because a restarted broker has lost them, subscribes again, and then
 * publishes `online`: a request that follows on `online` reaches the service. `signal` stops the
 * attempts before the first connection; then this never resolves.
 */
export async function connectBus(options: BusOptions, signal?: AbortSignal): Promise<Bus> {
  const bus = new MqttBus(options)
  signal?.addEventListener('abort', () => void bus[Symbol.asyncDispose](), { once: true })
  await bus.ready
  return bus
}

/** Reason code of a PUBACK, MQTT 5.0 §3.4.2.1. */
const NOT_AUTHORIZED = 0x87

interface SendOptions {
  qos: 0 | 1
  retain: boolean
  /** Messages beyond {@link MAX_PENDING} that are accepted. */
  reserved?: number
  /** Seconds; 0: unlimited. */
  expiry?: number
}

interface Subscription {
  filter: string
  qos: 0 | 1
  /** The broker has granted it, so it is requested again after a reconnect. */
  granted: boolean
  deliver(name: string, packet: IPublishPacket): void
}

class MqttBus implements Bus {
  readonly ready: Promise<void>
  readonly #options: BusOptions
  readonly #client: MqttClient
  readonly #subscriptions = new Set<Subscription>()
  /** Filters whose UNSUBACK is pending. */
  readonly #unsubscribing = new Map<string, Promise<unknown>>()
  readonly #connectListeners = new Set<() => void>()
  readonly #retained = new Map<string, { bytes: Buffer; qos: 0 | 1 }>()
  readonly #warn: Warn
  readonly #reconnect: Reconnect
  readonly #since = Date.now()
  #detail: Record<string, unknown> = {}
  #pending = 0
  #serving: boolean
  #closing: Promise<void> | undefined

  constructor(options: BusOptions) {
    this.#options = options
    this.#serving = options.announce !== 'when-serving'
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
    const bytes = encodePayload(topic, payload, (size) =>
      this.#warn(
        `cut ${topic.pattern}`,
        { topic: topic.pattern, bytes: size },
        'message cut to the limit of its topic',
      ),
    )
    const name = toWire(topic, this.#options.prefix, topic.name(...params))
    if (topic.retain) {
      this.#retained.set(name, { bytes, qos: topic.qos })
      if (!this.#client.connected) return // published on the next connect, from the map
    }
    const reserved = topic.pattern === topics.command.pattern ? RESERVED_FOR_COMMANDS : 0
    await this.#send(name, bytes, { qos: topic.qos, retain: topic.retain, reserved, expiry: topic.expiry })
  }

  async subscribe<T, P extends string>(
    topic: Topic<T, P>,
    handler: (payload: T, meta: Meta<P>) => void | Promise<void>,
    params?: Partial<Record<P, string>>,
  ): Promise<Disposable> {
    const filter = toWire(topic, this.#options.prefix, topic.filter(params))
    const subscription: Subscription = {
      filter,
      qos: topic.qos,
      granted: false,
      deliver: (wire, packet) => {
        const name = fromWire(topic, this.#options.prefix, wire)
        const found = name === undefined ? undefined : topic.match(name)
        if (found && agrees(found, params)) this.#deliver(topic, handler, found, name ?? '', packet)
      },
    }
    this.#subscriptions.add(subscription)
    await this.#requestSubscription(filter, topic.qos)
    subscription.granted = true
    return { [Symbol.dispose]: () => this.#unsubscribe(subscription) }
  }

  subscribeDurably<T, P extends string>(
    topic: Topic<T, P>,
    handler: DurableHandler<T, P>,
  ): Promise<AsyncDisposable> {
    return subscribeDurably(this.#options, topic, handler)
  }

  serving(): void {
    this.#serving = true
    if (this.#announces && this.#client.connected) this.#announce('online')
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
    return this.#options.announce !== false && this.#serving && !this.#closing
  }

  async #close(): Promise<void> {
    if (this.#options.announce !== false && this.#client.connected) {
      // the broker discards the last will on a DISCONNECT [MQTT-3.14.4-3]
      const offline = { ...this.#state('offline'), since: Date.now() }
      const published = this.publish(topics.serviceState, offline, { service: this.#options.service })
      await Promise.race([
        published,
        new Promise((resolve) => setTimeout(resolve, OFFLINE_DEADLINE_MS).unref()),
      ])
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

  /** Logs a failed publish instead of throwing: the bus is closing, or too many messages are pending. */
  #publishQuietly(published: Promise<void>): void {
    published.catch((err: unknown) => this.#warn('publish', { err }, 'message not published'))
  }

  #connected(): void {
    this.#reconnect.connected()
    const state = toWire(topics.serviceState, this.#options.prefix, this.#stateName)
    for (const [name, { bytes, qos }] of this.#retained) {
      if (name !== state) this.#publishQuietly(this.#send(name, bytes, { qos, retain: true }))
    }
    for (const listener of this.#connectListeners) listener()
    this.#resubscribe().then(
      () => this.#announces && this.#announce('online'),
      (err: unknown) => {
        // after a lost connection the next one subscribes; a denied filter leaves the others
        if (!this.#client.connected || !this.#announces) return
        this.#warn('subscribe', { err }, 'subscriptions not restored')
        this.#announce('online')
      },
    )
  }

  get #stateName(): string {
    return topics.serviceState.name({ service: this.#options.service })
  }

  /** Requests all granted subscriptions again; resolves after the SUBACK. */
  async #resubscribe(): Promise<void> {
    const granted = [...this.#subscriptions].filter((subscription) => subscription.granted)
    if (granted.length === 0) return
    const filters = Object.fromEntries(granted.map(({ filter, qos }) => [filter, { qos }]))
    await this.#client.subscribeAsync({ ...filters, resubscribe: true } as ISubscriptionMap)
  }

  async #send(
    name: string,
    bytes: Buffer,
    { qos, retain, reserved = 0, expiry = 0 }: SendOptions,
  ): Promise<void> {
    // MQTT.js sends properties with version 5 only
    const options = { qos, retain, ...(expiry > 0 ? { properties: { messageExpiryInterval: expiry } } : {}) }
    if (qos === 0) {
      if (this.#client.connected) this.#client.publish(name, bytes, options)
      return
    }
    if (this.#pending >= MAX_PENDING + reserved) {
      this.#warn(
        'pending',
        { topic: name, pending: this.#pending },
        'too many messages pending, message dropped',
      )
      throw new Error(`too many messages pending on the bus, message on ${name} dropped`)
    }
    this.#pending++
    try {
      await this.#client.publishAsync(name, bytes, options)
    } catch (err) {
      // with MQTT 3.1.1 such a message is acknowledged [MQTT-3.3.5-2], so the caller expects no error
      if ((err as { code?: unknown }).code !== NOT_AUTHORIZED) throw err
      this.#warn(
        `denied ${name}`,
        { topic: name },
        'message denied by the broker; check the rights of this user',
      )
    } finally {
      this.#pending--
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
    if (packet.retain && !isRetainable(packet.topic, this.#options.prefix, packet.payload.length)) {
      this.#warn(`retained ${topic.pattern}`, { topic: name.slice(0, 200) }, 'retained message ignored')
      return
    }
    const failed = (err: unknown) => {
      const message = err instanceof ContractError ? 'invalid message dropped' : 'message handler failed'
      this.#warn(topic.pattern, { topic: name.slice(0, 200), err }, message)
    }
    try {
      // a retained command would be carried out again whenever a service reconnects
      if (packet.retain && !topic.retain)
        throw new ContractError('retained, as no message of this topic may be')
      // a Buffer, since no MQTT.js option changes it
      const payload = decodePayload(topic, packet.payload as Buffer)
      Promise.resolve(handler(payload, { params, retained: packet.retain, topic: name })).catch(failed)
    } catch (err) {
      failed(err)
    }
  }

  async #requestSubscription(filter: string, qos: 0 | 1): Promise<void> {
    await this.#unsubscribing.get(filter)
    await requestSubscription(this.#client, { filter, qos, closing: () => this.#closing !== undefined })
  }

  #unsubscribe(subscription: Subscription): void {
    if (!this.#subscriptions.delete(subscription) || this.#closing !== undefined) return
    for (const other of this.#subscriptions) if (other.filter === subscription.filter) return
    const { filter } = subscription
    // Aedes may process a SUBSCRIBE before an earlier UNSUBSCRIBE, so the next subscribe waits
    const unsubscribed = this.#client.unsubscribeAsync(filter).then(
      () => this.#unsubscribing.delete(filter),
      () => this.#unsubscribing.delete(filter), // no connection, so no subscription
    )
    this.#unsubscribing.set(filter, unsubscribed)
  }
}

function agrees(found: Record<string, string>, wanted: Partial<Record<string, string>> | undefined): boolean {
  return Object.entries(wanted ?? {}).every(([key, value]) => found[key] === value)
}
