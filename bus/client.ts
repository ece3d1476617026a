import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import mqtt, { type IClientOptions, MqttClient } from 'mqtt'
import { bareHost } from './bare-host.ts'
import { shrinkBufferPool } from './buffer-pool.ts'
import { ContractError } from './contract-error.ts'
import { negotiateVersion } from './protocol-version.ts'
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

/** Session expiry interval of a session that never expires, as all of MQTT 3.1.1. */
const NEVER = 0xffff_ffff

const MQTT_OPTIONS: IClientOptions = {
  protocolVersion: 5,
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
    ...(options.session === undefined ? {} : { properties: { sessionExpiryInterval: NEVER } }),
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
    negotiateVersion(client)
    client.on('connect', () => (client.stream as Partial<Socket>).setNoDelay?.(true))
    return client
  }
  const client = new MqttClient(
    () => stream() as unknown as ReturnType<MqttClient['streamBuilder']>,
    mqttOptions,
  )
  negotiateVersion(client)
  return client
}

interface Address {
  url: string
  host: string
  /** 0: the default of the protocol. */
  port: number
}

/** The addresses of the brokers, in the order in which they are tried. */
function addressesOf(url: string | readonly string[]): Address[] {
  return [url].flat().map((one) => {
    const { hostname, port } = new URL(one)
    return { url: one, host: bareHost(hostname), port: Number(port) }
  })
}

/** Connects to the first address that answers; MQTT.js takes the next one in each attempt. */
function connectToFirst(url: string | readonly string[], options: IClientOptions): MqttClient {
  const [first, ...others] = addressesOf(url)
  if (!first) throw new ContractError('no address of a broker')
  if (others.length === 0) return mqtt.connect(first.url, options)
  const servers = [first, ...others].map(({ host, port }) => ({ host, port }))
  const client = mqtt.connect(first.url, { ...options, servers })
  // MQTT.js would verify the certificate of the next host against the name of this one
  client.on('close', () => delete client.options.servername)
  return client
}

/** The address of the current or last attempt, without credentials. */
export function currentUrl({ options }: MqttClient, url: string | readonly string[]): string {
  const all = addressesOf(url)
  const isCurrent = ({ host, port }: Address) =>
    host === options.host && (port === 0 || port === options.port)
  const current = all.length === 1 ? all[0] : all.find(isCurrent)
  const shown = current?.url ?? all.map((one) => one.url).join(' ')
  return shown.replace(/(?<=\/\/)[^/\s]*@/g, '')
}
