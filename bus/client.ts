import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import mqtt, { type IClientOptions, MqttClient } from 'mqtt'
import { shrinkBufferPool } from './buffer-pool.ts'
import { topics } from './topics.ts'

/** The part of a logger that the bus needs. */
export interface BusLog {
  warn(fields: object, message: string): void
  info(fields: object, message: string): void
  debug(fields: object, message: string): void
}

export interface BusOptions {
  /** `mqtt://`, `mqtts://`, `ws://` or `wss://` address of the broker. */
  url: string
  username?: string | undefined
  password?: string | undefined
  /** For `mqtts:` and `wss:`: who signs the broker's certificate, and the client's own certificate with its key. PEM. */
  tls?: { ca?: Buffer; cert?: Buffer; key?: Buffer } | undefined
  /** First level of every topic name. */
  prefix: string
  /** Name of the service: its client id, and the `<service>` of its state. */
  service: string
  version: string
  log: BusLog
  /** False for a mere observer: it has no `<service>/state` and no last will. */
  announce?: boolean
  /** Client id of a session that the broker keeps while we are away. */
  session?: string
  /** A stream to the broker instead of `url`. */
  stream?: () => Duplex
}

const MQTT_OPTIONS: IClientOptions = {
  keepalive: 10,
  connectTimeout: 5_000,
  // MQTT.js gives up after refused credentials unless told otherwise; ours may be mended while we wait
  reconnectOnConnackError: true,
  // video and readings of a minute ago help nobody
  queueQoSZero: false,
  resubscribe: true,
}

function clientId({ session, announce, service }: BusOptions): string {
  if (session !== undefined) return session
  return announce === false ? `${service}-${crypto.randomUUID()}` : service
}

/** An MQTT client set up against MQTT.js's defaults, with `will` as the last word on `<service>/state`. */
export function createClient(options: BusOptions, will: object): MqttClient {
  const mqttOptions: IClientOptions = {
    ...MQTT_OPTIONS,
    clientId: clientId(options),
    clean: options.session === undefined,
    reconnectPeriod: 100,
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
    const client = mqtt.connect(options.url, mqttOptions)
    // signalling is small messages in a row: Nagle's algorithm would hold each back for 40 ms
    client.on('connect', () => (client.stream as Partial<Socket>).setNoDelay?.(true))
    return client
  }
  return new MqttClient(() => stream() as unknown as ReturnType<MqttClient['streamBuilder']>, mqttOptions)
}
