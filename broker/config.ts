import { z } from 'zod'
import { number } from '#lib/coerced-number.ts'
import { isLoopback } from '#lib/loopback.ts'

const port = number.pipe(z.int().min(0).max(65_535))
const count = (min: number, max: number) => number.pipe(z.int().min(min).max(max))

const host = z.string().min(1)

export const LISTENER_TYPES = ['mqtt', 'mqtts', 'ws', 'wss'] as const
type ListenerType = (typeof LISTENER_TYPES)[number]

/** An additional listener. TLS needs a certificate and a key, both PEM files. */
const Listener = z
  .strictObject({
    type: z.enum(LISTENER_TYPES),
    host,
    port,
    cert: z.string().min(1).optional(),
    key: z.string().min(1).optional(),
  })
  .refine(({ type, cert, key }) => isTls(type) === (cert !== undefined && key !== undefined), {
    error: 'mqtts and wss need cert and key; mqtt and ws accept neither',
  })
export type Listener = z.infer<typeof Listener>

/** Limits that protect the other clients from one client or address. */
const Limits = z
  .strictObject({
    max_packet_bytes: count(1_024, 256 * 1024 * 1024).default(10 * 1024 * 1024),
    max_clients: count(1, 100_000).default(1_200),
    max_clients_per_address: count(1, 100_000).default(100),
    connections_per_second: count(1, 10_000).default(20),
  })
  .prefault({})

/** `broker`: the embedded broker. `enabled: false` with `bus.url` uses another one. */
export const BrokerSection = z
  .strictObject({
    enabled: z.boolean().default(true),
    /** Address for MQTT over TCP. On any other than a loopback address every client needs credentials. */
    host: host.default('127.0.0.1'),
    port: port.default(1883),
    /** MQTT over WebSocket on the same address. */
    ws_port: port.nullable().default(null),
    /** Origins of pages that may connect by WebSocket, beside pages of the same host. */
    ws_origins: z
      .array(z.string().regex(/^https?:\/\/[^/]+$/, 'expected an origin such as https://dashboard.example'))
      .default([]),
    listeners: z.array(Listener).max(16).default([]),
    users_file: z.string().min(1).default('configs/broker.yaml'),
    limits: Limits,
  })
  .prefault({})
export type BrokerSection = z.infer<typeof BrokerSection>

export function isTls(type: ListenerType): boolean {
  return type === 'mqtts' || type === 'wss'
}

/** Whether a listener accepts clients without a user name: plain TCP on a loopback address. */
export function isOpenTo(type: ListenerType, address: string): boolean {
  return type === 'mqtt' && isLoopback(address)
}
