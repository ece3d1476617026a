import { z } from 'zod'

/** Time in milliseconds since the epoch. */
const time = z.number()
/** Id of a viewer's session, chosen by the relay: opaque, and reused (docs/relay-protocol.md). */
const sessionId = z.string().min(1).max(256)

/** `<service>/state`: whether a service is running, and its condition. */
export const ServiceState = z.looseObject({
  state: z.enum(['online', 'offline']),
  version: z.string(),
  since: time.describe(
    'ms since the epoch when this state began; in a last will, when the lost connection began',
  ),
})

/** Age of frames (ms) of the last 300 frames at one step on their way; null: no frame yet. */
const frameAge = z.object({ p50: z.number(), p95: z.number() }).nullable()

/** `webrtc/state`. The details are missing while the service is offline. */
export const WebrtcState = ServiceState.extend({
  viewers: z.int().optional().describe('sessions that are connected'),
  sessions: z.int().optional().describe('sessions in any state'),
  quality: z.string().optional().describe('as set by `set_video_quality`: `auto`, or a layer'),
  refused_servers: z
    .array(z.string())
    .optional()
    .describe(
      'STUN and TURN servers of the last request that are refused: a remote relay names a local address',
    ),
  latency_ms: z
    .object({
      bus: frameAge.describe('frame received from the bus'),
      wire: frameAge.describe('last packet sent'),
    })
    .optional()
    .describe('age of frames since their capture: median and 95th percentile'),
})

const size = { width: z.int(), height: z.int() }

/** The detector in `vision/state`. */
const DetectorState = z.looseObject({
  ok: z.boolean(),
  error: z.string().nullable().describe('why nothing is detected; null: it works'),
  enabled: z.boolean(),
  model: z.string(),
  labels: z.array(z.string()).describe('labels that are published and drawn; empty: all'),
  min_score: z.number(),
  keep_score: z.number(),
  max_fps: z.number(),
  threads: z.int(),
  format: z.string().optional().describe('of the loaded model, see models/README.md; absent without one'),
  basis: z
    .enum(['config', 'names', 'shape'])
    .optional()
    .describe('how the format is known; `shape`: guessed, other families of models have the same output'),
  description: z.string().nullable().optional().describe('what the model is, by its metadata'),
  letterbox: z.string().optional(),
  scale: z.string().optional(),
  colours: z.string().optional(),
  size: z.object(size).optional().describe('input of the model'),
  classes: z.int().optional(),
  licence: z.string().nullable().optional().describe('by the metadata of the model'),
  inference_ms: z.number().nullable(),
  fps: z.number().describe('inferences a second, measured'),
})

/** A layer in `vision/state`. */
const LayerState = z.looseObject({
  wanted: z.number().describe('bit/s in demand'),
  bitrate: z.number().describe('bit/s, measured'),
  fps: z.number().describe('measured'),
  width: z.int().optional().describe('of its frames; absent before the first'),
  height: z.int().optional(),
})

/** `vision/state`. The details are missing while the service is offline or starting. */
export const VisionState = ServiceState.extend({
  source: z.string().optional().describe('type of `vision.source`'),
  camera_ok: z.boolean().optional(),
  camera_error: z.string().nullable().optional().describe('why the camera delivers no frames'),
  privacy: z.boolean().optional().describe('the camera is closed because privacy is on'),
  camera_since: time.optional().describe('when `camera_ok` last changed'),
  camera_retries: z.int().optional(),
  size: z.object(size).optional().describe('of the video'),
  rotate: z.number().optional().describe('degrees clockwise'),
  flip: z.string().optional(),
  fps: z.number().optional().describe('frames of the camera a second, measured'),
  detector: DetectorState.optional(),
  tracks: z.int().optional().describe('objects in view'),
  overlay: z.boolean().optional().describe('boxes, mode and clock are drawn'),
  layers: z
    .record(z.string(), LayerState)
    .optional()
    .describe('layers in demand: `high`, `medium`, `low`, each with `/vp8` for VP8'),
  load: z
    .object({
      age_ms: frameAge.describe('frame age at publication'),
      encode_ms: frameAge.describe('of that, in the encoder'),
      level: z.int().describe('0: nothing is reduced, see docs/operating.md'),
      detection: z.number().describe('fraction of the detection rate, 0..1'),
      steps: z.int().describe('steps down in frame size'),
    })
    .optional(),
  latency_ms: z
    .object({
      capture: frameAge.describe('frame ready'),
      detect: frameAge.describe('inference done'),
      encode: frameAge.describe('access unit published'),
    })
    .optional()
    .describe('age of frames since their capture: median and 95th percentile'),
  dropped: z.record(z.string(), z.int()).optional().describe('frames dropped since the start, by cause'),
})
export type VisionState = z.infer<typeof VisionState>

/** The speaker in `audio/state`. */
const SpeakerState = z.looseObject({
  type: z.string().describe('of `audio.speaker`'),
  ok: z.boolean().nullable().describe('it takes sound; null: it is closed, because nothing is played'),
  error: z.string().nullable().describe('why it takes no sound'),
  since: time.describe('when `ok` last changed'),
  retries: z.int(),
  playing: z.enum(['talk', 'clip']).nullable(),
  waiting: z.int().describe('clips that wait'),
  volume: z.number().describe('0 to 1'),
})

/** `audio/state`. The details are missing while the service is offline or starting. */
export const AudioState = ServiceState.extend({
  source: z.string().optional().describe('type of `audio.source`'),
  audio_ok: z
    .boolean()
    .nullable()
    .optional()
    .describe('the source delivers sound; null: it is closed, because nothing needs it'),
  audio_error: z.string().nullable().optional().describe('why the source delivers no sound'),
  audio_since: time.optional().describe('when `audio_ok` last changed'),
  audio_retries: z.int().optional(),
  muted: z
    .enum(['privacy', 'mode', 'clip', 'talk'])
    .nullable()
    .optional()
    .describe('why silence is sent: privacy, the mode, a clip, or the voice of a viewer'),
  demand: z.array(z.string()).optional().describe('clients that need the sound'),
  speaker: SpeakerState.optional().describe('only if `audio.speaker` is set'),
  dropped: z
    .record(z.string(), z.int())
    .optional()
    .describe('samples (ms) and packets dropped since the start, by cause'),
})
export type AudioState = z.infer<typeof AudioState>

/** `audio/demand/<who>`: a client needs the sound. An empty payload withdraws the demand. */
export const AudioDemand = z
  .object({ until: time.optional().describe('valid until then, at most 10 minutes ahead') })
  .nullable()
export type AudioDemand = z.infer<typeof AudioDemand>

/** `audio/level`: the loudness of a quarter of a second after gain and noise gate. */
export const AudioLevel = z.object({
  rms_dbfs: z.number().describe('-96 (silence) to 0'),
  peak_dbfs: z.number(),
})

/** `broker/state`. */
export const BrokerState = ServiceState.extend({
  clients: z.int().describe('connected clients'),
  refused: z
    .record(z.string(), z.int())
    .describe('counters since the start of what was dropped or denied, see docs/operating.md'),
})

/** `relay-bridge/state`. The details are missing until the relay has sent something to judge by. */
export const RelayBridgeState = ServiceState.extend({
  paired: z
    .boolean()
    .optional()
    .describe('false: no `profiles` within 60 s of a registration, so the robot has no owner'),
  unknown_types: z
    .record(z.string(), z.int())
    .optional()
    .describe('messages of the relay by type that this version does not know, at most 33 types'),
})

/** `relay-bridge/link`: the WebSocket to the cloud relay. */
export const RelayConnectionState = z.looseObject({
  state: z.enum(['disabled', 'connecting', 'registering', 'online', 'auth_failed', 'waiting', 'paused']),
  connected: z.boolean().describe('registered: the relay has replied on this socket'),
  url: z.string().nullable(),
  since: time,
  attempts: z.int().describe('attempts since the connection was last online'),
  last_close: z.object({ code: z.int().nullable(), reason: z.string(), at: time }).nullable(),
  next_retry_ms: z.number().nullable(),
  app_present: z.boolean().nullable().describe('null: unknown, the relay has not reported it'),
  outbox: z.object({ depth: z.int(), dropped: z.int() }),
})
export type RelayConnectionState = z.infer<typeof RelayConnectionState>

/** `signaling/request`: a viewer requests video. `ice_servers` as the relay sent it, in any of its shapes. */
const Sdp = <T extends 'offer' | 'answer'>(type: T) =>
  z.object({ type: z.literal(type), sdp: z.string().min(1) })
export const Request = z.object({
  session_id: sessionId,
  ice_servers: z.unknown().optional(),
  offer: Sdp('offer').optional().describe('of a viewer that offers itself (WHEP)'),
  talk: z.boolean().optional().describe('the viewer may talk: audio is offered in both directions'),
  role: z.literal('watch').optional().describe('this viewer may watch, and send no command but stop'),
})

const Description = <T extends 'offer' | 'answer'>(type: T) =>
  z.object({ session_id: sessionId, sdp: Sdp(type) })
export const Offer = Description('offer')
export const Answer = Description('answer')

/** A local candidate. RFC 8838, RTCIceCandidateInit. */
export const LocalCandidate = z.object({
  session_id: sessionId,
  candidate: z.object({
    candidate: z.string().min(1),
    sdpMid: z.string().nullable(),
    sdpMLineIndex: z.int().nullable(),
  }),
})
/** A remote candidate; `''` or null instead of one means end of candidates. */
export const RemoteCandidate = z.object({
  session_id: sessionId,
  candidate: z
    .object({
      candidate: z.string().nullish(),
      sdpMid: z.string().nullish(),
      sdpMLineIndex: z.int().nullish(),
      usernameFragment: z.string().nullish(),
    })
    .nullable(),
})

export const Close = z.object({ session_id: sessionId, reason: z.string() })
export const Closed = z.object({ session_id: sessionId, reason: z.string(), by: z.enum(['viewer', 'robot']) })
export const SignalingError = z.object({ session_id: sessionId, code: z.string(), error: z.string() })

/** Codes of `signaling/error` for the offer of a viewer, which the relay passes on as well. */
export const OFFER_REFUSALS = ['bad-offer', 'no-common-codec', 'busy', 'no-session'] as const
export type OfferRefusal = (typeof OFFER_REFUSALS)[number]

/** One viewer on `webrtc/sessions`. */
export const SessionSummary = z.object({
  session_id: sessionId,
  role: z.enum(['drive', 'watch']).optional().describe('`watch`: it may send no command but stop'),
  state: z.enum(['new', 'offered', 'answered', 'connected', 'closed']),
  since: time,
  codec: z.string().nullable(),
  layer: z.string().nullable(),
  bitrate: z.number().describe('bit/s, measured'),
  rtt_ms: z.number().nullable(),
  loss: z.number().nullable().describe('fraction lost, 0..1'),
  candidate_pair: z.string().nullable(),
  protocol: z
    .enum(['udp', 'turn-udp', 'turn-tcp', 'turn-tls'])
    .nullable()
    .optional()
    .describe('how the robot sends: directly, or to a TURN server over this transport'),
  connection_type: z.enum(['LAN', 'WAN']).nullable(),
})
export type SessionSummary = z.infer<typeof SessionSummary>

export const LAYERS = ['high', 'medium', 'low'] as const
export type Layer = (typeof LAYERS)[number]

export const VIDEO_CODECS = ['h264', 'vp8'] as const
export type VideoCodec = (typeof VIDEO_CODECS)[number]

const wantedLayers = z.partialRecord(
  z.enum(LAYERS),
  z.object({ bitrate: z.number().positive().describe('bit/s') }),
)
/** `video/demand/<who>`: the layers that a client needs. An empty payload withdraws the demand. */
export const Demand = z
  .object({
    codec: z.enum(VIDEO_CODECS).default('h264'),
    layers: wantedLayers,
    also: z
      .object({ codec: z.enum(VIDEO_CODECS), layers: wantedLayers })
      .optional()
      .describe('the same in the other codec'),
    until: time.optional().describe('valid until then, at most 10 minutes ahead'),
  })
  .nullable()
export type Demand = z.infer<typeof Demand>

const box = z.tuple([z.number(), z.number(), z.number(), z.number()]).describe('x, y, width, height: 0..1')

export const Detections = z.object({
  frame: z.int(),
  captured_at: time,
  inference_ms: z.number(),
  objects: z.array(
    z.object({
      label: z.string(),
      score: z.number(),
      box,
      track_id: z.int().nullable(),
    }),
  ),
})
export type Detections = z.infer<typeof Detections>

/** A track at one point in time. */
const TrackState = z.object({
  id: z.string().describe('unique, also across restarts'),
  track_id: z.int().describe('as in vision/detections'),
  label: z.string(),
  score: z.number(),
  top_score: z.number(),
  box,
  zones: z.array(z.string()).describe('zones that contain it now'),
  entered_zones: z.array(z.string()).describe('zones that have contained it at any time'),
  dwelling: z.array(z.string()).describe('zones where it has stayed for the dwell time of the zone'),
  stationary: z.boolean(),
  frame_time: time,
  start_time: time,
  end_time: time.nullable(),
})
/** `vision/track`: an object appears, changes, and disappears. Modeled on Frigate’s `events`. */
export const TrackEvent = z.object({
  type: z.enum(['new', 'update', 'end']),
  before: TrackState.nullable().describe('as last published; null in `new`'),
  after: TrackState,
})
export type TrackEvent = z.infer<typeof TrackEvent>

/** `command/<name>`: a command of an app. */
export const Command = z.object({
  id: z.string(),
  name: z.string(),
  params: z.record(z.string(), z.unknown()),
  source: z.enum(['relay', 'datachannel', 'homeassistant']),
  session_id: sessionId.optional(),
  issued_at: time.optional().describe('by the app’s clock'),
  received_at: time,
})
export type Command = z.infer<typeof Command>
export const CommandResult = z.looseObject({
  id: z.string(),
  name: z.string(),
  success: z.boolean(),
  error: z.string().optional(),
})

/** `metrics/<service>`: the result of prom-client's `getMetricsAsJSON`. */
export const Metrics = z
  .array(
    z.looseObject({
      name: z.string().regex(/^[a-zA-Z_:][a-zA-Z0-9_:]{0,99}$/),
      help: z.string(),
      type: z.enum(['counter', 'gauge', 'histogram', 'summary']),
      values: z
        .array(
          z.looseObject({
            value: z.number().nullable().describe('null: undefined, such as the mean of no values'),
            labels: z.record(z.string().regex(/^[a-zA-Z_]\w*$/), z.union([z.string(), z.number()])),
          }),
        )
        .max(2_000),
    }),
  )
  .max(300)
export type Metrics = z.infer<typeof Metrics>

/** `homeassistant/dog`: whether a dog is in view. */
export const DogPresence = z.object({
  present: z.boolean().nullable().describe('null: unknown, because the detector is not running'),
  last_seen: z.iso.datetime().nullable().describe('ISO 8601, as Home Assistant expects it'),
})

/** `homeassistant/event/<name>`: an event as Home Assistant reads it. */
export const Happening = z.looseObject({ event_type: z.string() })

const reading = z.number().nullable()
/** `homeassistant/readings`. Null: unknown. */
export const Readings = z.object({
  treats_left: reading.describe('of the newest telemetry, or of the newest treat'),
  temperature: reading.describe('of the processor [°C]'),
  wifi_signal: reading.describe('[dBm]'),
  storage_free: reading.describe('of `data_dir` [GB]'),
  sound_level: reading.describe('loudest of the last 10 s [dBFS]; null while the microphone is closed'),
})
export type Readings = z.infer<typeof Readings>

/** Any JSON object. */
export const JsonObject = z.record(z.string(), z.unknown())
/** `telemetry/<source>`: readings of a robot service. An empty payload withdraws them. */
export const Telemetry = JsonObject.nullable()
/** `{}`: the topic name is the message. */
export const Empty = z.object({})
