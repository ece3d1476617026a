import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import mqtt, { type IClientOptions, MqttClient } from 'mqtt'
import { bareHost } from './bare-host.ts'
import { shrinkBufferPool } from './buffer-pool.ts'
import { topics } from './topics.ts'

/** The part of a logger that the bus needs. */
export interface BusLog {
  warn(fields: object, message: string): void
  info(fields: object, message: string): void
  debug(fields: object, message: string): void
}

export interface BusOptions {
  /** `mqtt://`, `mqtts://`, `ws://` or `wss://` address; several: the brokers of a cluster, which differ in host and port only. */
  url: string | readonly string[]
  username?: string | undefined
  password?: string | undefined
  /** For `mqtts:` and `wss:`: the CA of the broker's certificate, and a client certificate with its key. PEM. */
  tls?: { ca?: Buffer; cert?: Buffer; key?: Buffer } | undefined
  /** First level of every topic name. */
  prefix: string
  /** Name of the service: the first part of its client id, and the `<service>` of its state. */
  service: string
  version: string
  log: BusLog
  /**
   * When `<service>/state` becomes `online`: on connect by default, `'when-serving'` after {@link Bus.serving}. False for an
   * observer: it publishes no state and has no last will.
   */
  announce?: boolean | 'when-serving'
  /** Name of a persistent session (clean session 0), the first part of its client id. */
  session?: string
  /** A stream to the broker instead of `url`. */
  stream?: () => Duplex
}

const MQTT_OPTIONS: IClientOptions = {
  keepalive: 10,
  connectTimeout: 5_000,
  // MQTT.js stops after rejected credentials by default; the operator may fix the users file while we retry
  reconnectOnConnackError: true,
  // video and readings from before a reconnect are stale
  queueQoSZero: false,
}

/** Contains the prefix, which tells robots apart that share a broker: clients with the same id disconnect each other. */
function clientId({ session, announce, service, prefix }: BusOptions): string {
  if (session !== undefined) return `${session}-${prefix}`
  return `${service}-${announce === false ? crypto.randomUUID() : prefix}`
}

/** An MQTT.js client with the options of this bus; `will` is the last will on `<service>/state`. */
export function createClient(options: BusOptions, will: object): MqttClient {
  const mqttOptions: IClientOptions = {
    ...MQTT_OPTIONS,
    clientId: clientId(options),
    clean: options.session === undefined,
    reconnectPeriod: 100,
    // else done by the bus, which publishes `online` only after the SUBACK
    resubscribe: options.session !== undefined,
    ...options.tls,
    ...(options.username === undefined ? {} : { username: options.username }),
    ...(options.password === undefined ? {} : { password: options.password }),
  }
  if (options.announce !== false) {
    mqttOptions.will = {
      topic: `${options.prefix}/${topics.serviceState.name({ service: options.service })}`,
      payload: Buffer.from(JSON.stringify(will)),
      qos: 1,
      retain: true,
    }
  }
  shrinkBufferPool()
  const { stream } = options
  if (!stream) {
    const client = connectToFirst(options.url, mqttOptions)
    // signaling is a sequence of small messages: Nagle's algorithm would delay each by 40 ms
    client.on('connect', () => (client.stream as Partial<Socket>).setNoDelay?.(true))
    return client
  }
  return new MqttClient(() => stream() as unknown as ReturnType<MqttClient['streamBuilder']>, mqttOptions)
}

/** Connects to the first address that answers; MQTT.js takes the next one in each attempt. */
function connectToFirst(url: string | readonly string[], options: IClientOptions): MqttClient {
  if (typeof url === 'string') return mqtt.connect(url, options)
  const [first = ''] = url
  const servers = url.map((one) => {
    const { hostname, port } = new URL(one)
    // 0: the default port of the protocol
    return { host: bareHost(hostname), port: Number(port) }
  })
  const client = mqtt.connect(first, { ...options, servers })
  // MQTT.js would verify the certificate of the next host against the name of this one
  client.on('close', () => delete client.options.servername)
  return client
}

/** The address of the current or last attempt, without credentials. */
export function currentUrl(client: MqttClient, url: string | readonly string[]): string {
  const { host } = client.options
  const port = client.options.port ?? 0
  const isCurrent = (one: string) => {
    const { hostname, port: other } = new URL(one)
    return bareHost(hostname) === host && (other === '' || Number(other) === port)
  }
  const found = typeof url === 'string' ? url : (url.find(isCurrent) ?? url.join(' '))
  return found.replace(/(?<=\/\/)[^/]*@/, '')
}
