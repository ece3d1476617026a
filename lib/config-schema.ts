import { z } from 'zod'
import { number } from './coerced-number.ts'

/** Every section that a config file may have. */
export const SECTION_NAMES = [
  'cloud',
  'webrtc',
  'vision',
  'audio',
  'recorder',
  'privacy',
  'bus',
  'broker',
  'local_relay',
  'metrics',
  'homeassistant',
  'simulator',
  'data_dir',
] as const

/** PEM file. */
const pem = z.string().min(1).optional()

const busUrl = z.url({ protocol: /^(mqtts?|wss?)$/, hostname: /.*/ })

/** The addresses of `bus.url`, in the order in which they are tried. */
export function busUrls(url: string | readonly string[]): readonly string[] {
  return typeof url === 'string' ? [url] : url
}

/** Everything of an address but host and port. */
function kindOf(url: string): string {
  const { protocol, username, password, pathname, search } = new URL(url)
  return [protocol, username, password, pathname, search].join('|')
}

/** `bus`: how a service finds the broker. */
export const BusSection = z
  .strictObject({
    /** A list: the brokers of one cluster, which share sessions and messages. */
    url: z
      .union([busUrl, z.array(busUrl).min(1).max(8)])
      .refine((url) => new Set(busUrls(url).map(kindOf)).size <= 1, {
        error: 'the addresses of a list differ in host and port only',
        abort: true,
      })
      .default('mqtt://127.0.0.1:1883'),
    username: z.string().optional(),
    password: z.string().optional(),
    /** Each service logs in by its own name with the password in `data_dir/broker`, also to an external broker. */
    own_users: z.boolean().default(false),
    /** CA of the broker's certificate, where the system does not trust it. */
    ca: pem,
    /** Client certificate and its key. */
    cert: pem,
    key: pem,
    prefix: z
      .string()
      .regex(/^[^/+#$][^/+#]*$/, 'expected one topic level, without / + #')
      .default('wimz'),
  })
  .refine(({ password, username }) => password === undefined || username !== undefined, {
    error: 'a password needs its username',
    path: ['username'],
  })
  .refine(({ username, own_users }) => username === undefined || !own_users, {
    error: 'own_users takes the place of username and password',
    path: ['own_users'],
  })
  .refine(({ cert, key }) => (cert === undefined) === (key === undefined), {
    error: 'cert and key go together',
    path: ['cert'],
  })
  .refine(
    ({ url, ca, cert }) =>
      /^(mqtts|wss):/.test(busUrls(url)[0] ?? '') || (ca === undefined && cert === undefined),
    {
      error: 'ca, cert and key need a url of mqtts:// or wss://',
      path: ['url'],
    },
  )
  .prefault({})
export type BusSection = z.infer<typeof BusSection>

const MIN_BITRATE_KBPS = 100
const MAX_BITRATE_KBPS = 20_000

const Video = z
  .strictObject({
    width: number.pipe(z.int().min(160).max(3840)).default(1280),
    height: number.pipe(z.int().min(120).max(2160)).default(720),
    fps: number.pipe(z.number().min(1).max(60)).default(15),
    bitrate_kbps: number.pipe(z.number().min(MIN_BITRATE_KBPS).max(MAX_BITRATE_KBPS)).default(1500),
    /** bit/s, or kbit/s when below 100 000: key of older robots. */
    bitrate: number.pipe(z.number().positive()).optional(),
    codec: z
      .string()
      .transform((name) => name.toUpperCase())
      .pipe(z.enum(['H264', 'VP8']))
      .default('H264'),
    /** Key of older robots for `vision.overlay`; false wins. */
    enable_ai_overlay: z.boolean().default(true),
  })
  .transform(({ bitrate, ...video }) =>
    bitrate === undefined ? video : { ...video, bitrate_kbps: bitrate < 100_000 ? bitrate : bitrate / 1000 },
  )
  .refine(({ bitrate_kbps }) => bitrate_kbps >= MIN_BITRATE_KBPS && bitrate_kbps <= MAX_BITRATE_KBPS, {
    error: `must be ${MIN_BITRATE_KBPS} to ${MAX_BITRATE_KBPS} kbit/s`,
    path: ['bitrate'],
  })

const Ice = z.strictObject({
  policy: z.enum(['all', 'relay']).default('all'),
  port_range: z
    .tuple([number.pipe(z.int().min(1).max(65_535)), number.pipe(z.int().min(1).max(65_535))])
    .refine(([from, to]) => from < to, 'the first port must be below the second')
    .nullable()
    .default(null),
  additional_host_addresses: z.array(z.string()).default([]),
  tls_insecure: z.boolean().default(false),
})

/** A TURN server as browsers name it (WebRTC 1.0, RTCIceServer). */
const TurnServer = z.strictObject({
  urls: z.union([z.string(), z.array(z.string())]),
  username: z.string(),
  credential: z.string(),
})

/** `webrtc`: the viewers' side, and the size and rate of the video, which `vision` needs as well. */
export const WebrtcSection = z
  .strictObject({
    enabled: z.boolean().default(true),
    video: Video.prefault({}),
    max_connections: number.pipe(z.int().min(1).max(64)).default(2),
    ice: Ice.prefault({}),
    stun_servers: z.array(z.string()).default(['stun:stun.l.google.com:19302']),
    turn_servers: z.array(TurnServer).default([]),
    audio: z.strictObject({ enabled: z.boolean().default(true) }).prefault({}),
  })
  .prefault({})
export type WebrtcSection = z.infer<typeof WebrtcSection>

/** The robot's identity from `cloud`; the local relay accepts this robot by it. */
export const CloudIdentity = z
  .looseObject({ device_id: z.string().trim().default(''), device_secret: z.string().trim().default('') })
  .prefault({})

/** `metrics`: port for Prometheus; null: no port, and no metrics are collected. */
export const MetricsSection = z
  .strictObject({ port: number.pipe(z.int().min(1).max(65_535)).nullable().default(null) })
  .prefault({})
export type MetricsSection = z.infer<typeof MetricsSection>

/** `data_dir`: folder of everything that must survive a restart. */
export const DataDir = z.string().min(1).default('./data')
