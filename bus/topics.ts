import { z } from 'zod'
import * as clip from './clip-messages.ts'
import * as message from './messages.ts'
import { binary, json } from './topic.ts'

const MiB = 1024 * 1024
/** The largest relay frame that the bridge accepts is 8 MiB; it adds at most 1 MiB. */
const MAX_CLOUD_BYTES = 9 * MiB

/** Every topic of the bus. `docs/topics.md` is generated from this table. */
export const topics = {
  serviceState: json('{service}/state', {
    payload: message.ServiceState,
    qos: 1,
    retain: true,
    cut: true,
    from: 'each service',
    to: 'anyone',
    description:
      'Whether the service is running and subscribed, and its condition. `offline` is published on a clean stop, and by the last will otherwise.',
  }),
  brokerState: json('broker/state', {
    payload: message.BrokerState,
    qos: 1,
    retain: true,
    cut: true,
    from: 'broker',
    to: 'anyone',
    description: 'The state of the broker, every 10 s. Only our own broker publishes it.',
  }),
  relayBridgeState: json('relay-bridge/state', {
    payload: message.RelayBridgeState,
    qos: 1,
    retain: true,
    cut: true,
    from: 'relay-bridge',
    to: 'anyone',
    description: '`{service}/state` of relay-bridge.',
  }),
  link: json('relay-bridge/link', {
    payload: message.RelayConnectionState,
    qos: 1,
    retain: true,
    cut: true,
    from: 'relay-bridge',
    to: 'anyone',
    description: 'The connection to the cloud relay.',
  }),
  request: json('signaling/request', {
    payload: message.Request,
    qos: 1,
    from: 'relay-bridge',
    to: 'webrtc',
    description:
      'A viewer requests video, with an `offer` of its own or without; `ice_servers` as the relay sent it.',
  }),
  offer: json('signaling/offer', {
    payload: message.Offer,
    qos: 1,
    from: 'webrtc',
    to: 'relay-bridge',
    description: 'The robot’s session description.',
  }),
  answer: json('signaling/answer', {
    payload: message.Answer,
    qos: 1,
    from: 'relay-bridge',
    to: 'webrtc',
    description: 'The viewer’s session description.',
  }),
  whepAnswer: json('signaling/whep/answer', {
    payload: message.Answer,
    qos: 1,
    from: 'webrtc',
    to: 'relay-bridge',
    description: 'The robot’s answer to a viewer that offers, or to its ICE restart.',
  }),
  whepRestart: json('signaling/whep/restart', {
    payload: message.Offer,
    qos: 1,
    from: 'relay-bridge',
    to: 'webrtc',
    description: 'An ICE restart of a viewer that offers: a fragment of RFC 8840.',
  }),
  localCandidate: json('signaling/candidate/local', {
    payload: message.LocalCandidate,
    qos: 1,
    from: 'webrtc',
    to: 'relay-bridge',
    description: 'A local ICE candidate, after the offer.',
  }),
  remoteCandidate: json('signaling/candidate/remote', {
    payload: message.RemoteCandidate,
    qos: 1,
    from: 'relay-bridge',
    to: 'webrtc',
    description: 'An ICE candidate of the viewer; null or empty means end of candidates.',
  }),
  close: json('signaling/close', {
    payload: message.Close,
    qos: 1,
    from: 'relay-bridge',
    to: 'webrtc',
    description: 'The viewer or the relay ended the session.',
  }),
  closed: json('signaling/closed', {
    payload: message.Closed,
    qos: 1,
    from: 'webrtc',
    to: 'relay-bridge',
    description: 'A session has ended. The bridge reports it to the relay only if the robot ended it.',
  }),
  error: json('signaling/error', {
    payload: message.SignalingError,
    qos: 1,
    from: 'webrtc',
    to: 'relay-bridge',
    description: 'A session could not be set up, or failed.',
  }),
  sessions: json('webrtc/sessions', {
    payload: z.array(message.SessionSummary),
    qos: 0,
    retain: true,
    cut: true,
    from: 'webrtc',
    to: 'anyone',
    description: 'The current viewers.',
  }),
  webrtcState: json('webrtc/state', {
    payload: message.WebrtcState,
    qos: 1,
    retain: true,
    cut: true,
    from: 'webrtc',
    to: 'anyone',
    description: '`{service}/state` of webrtc.',
  }),
  visionState: json('vision/state', {
    payload: message.VisionState,
    qos: 1,
    retain: true,
    cut: true,
    from: 'vision',
    to: 'anyone',
    description: '`{service}/state` of vision.',
  }),
  audioState: json('audio/state', {
    payload: message.AudioState,
    qos: 1,
    retain: true,
    cut: true,
    from: 'audio',
    to: 'anyone',
    description: '`{service}/state` of audio.',
  }),
  recorderState: json('recorder/state', {
    payload: clip.RecorderState,
    qos: 1,
    retain: true,
    cut: true,
    from: 'recorder',
    to: 'anyone',
    description: '`{service}/state` of recorder.',
  }),
  clips: json('recorder/clips', {
    payload: clip.ClipChange,
    qos: 1,
    from: 'recorder',
    to: 'anyone',
    description:
      'A clip begins (`new`), gets a further reason (`update`), is complete (`end`), or was deleted (`removed`).',
  }),
  privacy: json('state/privacy', {
    payload: clip.PrivacyState,
    qos: 1,
    retain: true,
    from: 'vision',
    to: 'anyone',
    description:
      'While `enabled`, vision closes the camera and audio the microphone. A service that records or has a camera or microphone of its own must stop until it is false. Set by `command/set_privacy` or `privacy.schedule`.',
  }),
  opus: binary('audio/opus', {
    qos: 0,
    maxBytes: 4096,
    from: 'audio',
    to: 'webrtc',
    description:
      'One Opus packet of 20 ms, 48 kHz, mono, after its capture time: 64 bits, µs since the epoch, big-endian. Only while there is demand.',
  }),
  talk: binary('audio/talk', {
    qos: 0,
    maxBytes: 2048,
    from: 'webrtc',
    to: 'audio',
    description:
      'One Opus packet of the viewer who talks, after the number of the talk (32 bits), its RTP sequence number (16) and timestamp (32), big-endian. Without a packet: the talk has ended. Only if `audio.speaker` is set.',
  }),
  audioDemand: json('audio/demand/{who}', {
    payload: message.AudioDemand,
    qos: 1,
    retain: true,
    from: 'webrtc, anyone',
    to: 'audio',
    description:
      'The client `who` needs the sound; without any demand the microphone is closed. Valid until `until` or, without it, while `<who>/state` is online. An empty payload withdraws it.',
  }),
  audioLevel: json('audio/level', {
    payload: message.AudioLevel,
    qos: 0,
    from: 'audio',
    to: 'anyone',
    description: 'The loudness of the microphone, four times a second while it is open.',
  }),
  video: binary('video/{layer}', {
    qos: 0,
    maxBytes: 2 * MiB,
    from: 'vision',
    to: 'webrtc',
    description:
      'One H.264 access unit: Annex-B, SPS and PPS before each IDR, and first an SEI with capture time, RTP timestamp and frame counter. Only layers in demand.',
  }),
  videoVp8: binary('video/{layer}/vp8', {
    qos: 0,
    maxBytes: 2 * MiB,
    from: 'vision',
    to: 'webrtc',
    description:
      'One VP8 frame as an IVF file of its own, for viewers that take no H.264: capture time in µs, frame counter in place of the number of frames, RTP timestamp in the unused field. Only layers in demand.',
  }),
  keyframe: json('video/{layer}/keyframe', {
    payload: message.Empty,
    qos: 0,
    from: 'webrtc',
    to: 'vision',
    description: 'Requests a keyframe; at most two a second per layer are encoded.',
  }),
  demand: json('video/demand/{who}', {
    payload: message.Demand,
    qos: 1,
    retain: true,
    from: 'webrtc, anyone',
    to: 'vision',
    description:
      'The layers that the client `who` needs. Valid until `until` or, without it, while `<who>/state` is online. An empty payload withdraws it.',
  }),
  detections: json('vision/detections', {
    payload: message.Detections,
    qos: 0,
    cut: true,
    from: 'vision',
    to: 'anyone',
    description: 'The detected objects, once per inference; an empty list if there are none.',
  }),
  track: json('vision/track', {
    payload: message.TrackEvent,
    qos: 1,
    from: 'vision',
    to: 'anyone',
    description:
      'A tracked object: it appeared (`new`), its label, zones or stationary flag changed or it moved (`update`, at most one a second), or it disappeared (`end`).',
  }),
  frame: binary('vision/frame', {
    qos: 0,
    maxBytes: 8 * MiB,
    from: 'vision',
    to: 'anyone',
    description: 'The annotated video frame as a JPEG, `vision.snapshot_fps` times a second and on request.',
  }),
  metrics: json('metrics/{service}', {
    payload: message.Metrics,
    qos: 0,
    reserved: ['state'], // metrics/state is the state of the service `metrics`
    from: 'each service',
    to: 'metrics',
    description: 'Metrics of a service for Prometheus, every 5 s if `metrics.port` is set.',
  }),
  frameRequest: json('vision/frame/request', {
    payload: message.Empty,
    qos: 0,
    from: 'anyone',
    to: 'vision',
    description: 'Requests a JPEG on `vision/frame`.',
  }),
  dog: json('homeassistant/dog', {
    payload: message.DogPresence,
    qos: 1,
    retain: true,
    from: 'homeassistant',
    to: 'Home Assistant',
    description:
      'Whether a dog is in view and when one was last seen; only if `homeassistant.enabled` is set.',
  }),
  happening: json('homeassistant/event/{name}', {
    payload: message.Happening,
    qos: 1,
    from: 'homeassistant',
    to: 'Home Assistant',
    description:
      '`dog` (`seen`, `left`), `zone` (`entered`, `left`), `bark`, and `command` (`done`, `failed`), the outcome of a control.',
  }),
  readings: json('homeassistant/readings', {
    payload: message.Readings,
    qos: 1,
    retain: true,
    from: 'homeassistant',
    to: 'Home Assistant',
    description: 'What Home Assistant shows of the machine and of robot services, rounded, when it changes.',
  }),
  control: binary('homeassistant/set/{control}', {
    qos: 0,
    maxBytes: 100,
    from: 'Home Assistant',
    to: 'homeassistant',
    description:
      'A control is used: `PRESS`, `ON`, `OFF`, or an option, as text. Only those of `homeassistant.controls`.',
  }),
  restart: json('restart/{service}', {
    payload: message.Empty,
    qos: 0,
    from: 'homeassistant',
    to: 'each service',
    description: 'The service stops, and its supervisor (`main.ts`, systemd or Docker) starts it again.',
  }),
  command: json('command/{name}', {
    payload: message.Command,
    qos: 1,
    expiry: 5,
    maxBytes: 2 * MiB,
    from: 'relay-bridge, webrtc, homeassistant',
    to: 'any robot service',
    description:
      'A command for the robot, never retained: ignore one that is. Answer on `command-result` with the same `id`. With MQTT 5 it expires after 5 s.',
  }),
  motor: json('command/motor', {
    payload: message.Command,
    qos: 0,
    expiry: 1,
    from: 'relay-bridge, webrtc',
    to: 'any robot service',
    description:
      'The drive command, ten or more a second: the newest counts, none is retransmitted. With MQTT 5 it expires after 1 s.',
  }),
  commandResult: json('command-result', {
    payload: message.CommandResult,
    qos: 1,
    from: 'any robot service',
    to: 'relay-bridge, webrtc',
    description: 'The outcome of a command; further fields are passed to the app.',
  }),
  event: json('event/{name}', {
    payload: message.JsonObject,
    qos: 1,
    maxBytes: 8 * MiB,
    from: 'any robot service',
    to: 'relay-bridge',
    description: 'An event; the bridge adds the envelope and sends it to the relay.',
  }),
  telemetry: json('telemetry/{source}', {
    payload: message.Telemetry,
    qos: 0,
    retain: true,
    from: 'any robot service',
    to: 'relay-bridge',
    description:
      'Sensor readings and status, merged into the relay’s `status` event. The sources `mode`, `battery` and `network_state` are also sent as events of their own. An empty payload withdraws them.',
  }),
  cloudProfiles: json('cloud/profiles', {
    payload: message.JsonObject,
    qos: 1,
    retain: true,
    maxBytes: MAX_CLOUD_BYTES,
    from: 'relay-bridge',
    to: 'anyone',
    description: 'The owner’s dogs, as the relay sent them; the newest message replaces the previous one.',
  }),
  cloud: json('cloud/{type}', {
    payload: message.JsonObject,
    qos: 1,
    maxBytes: MAX_CLOUD_BYTES,
    from: 'relay-bridge',
    to: 'anyone',
    description: 'Every other message of the relay, unchanged.',
  }),
} as const

/**
 * Whether a message of this topic, named with the prefix, may be retained: one of the table only if its topic is retained, and
 * nothing below `command/`, or a motor service that reconnects would move. An empty payload clears a topic and is always allowed.
 */
export function isRetainable(wire: string, prefix: string, payloadBytes: number): boolean {
  if (payloadBytes === 0 || !wire.startsWith(`${prefix}/`)) return true
  const name = wire.slice(prefix.length + 1)
  if (name.startsWith('command/')) return false
  const declared = Object.values(topics).filter(({ match }) => match(name) !== undefined)
  return declared.length === 0 || declared.some(({ retain }) => retain)
}
