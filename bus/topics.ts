import { z } from 'zod'
import * as message from './messages.ts'
import { binary, json } from './topic.ts'

const MiB = 1024 * 1024
/** The largest frame that the bridge reads, 8 MiB, and what it may add to it. */
const CLOUD_FRAME = 9 * MiB

/** Everything that may be said on the bus. `docs/topics.md` is generated from this table. */
export const topics = {
  serviceState: json('{service}/state', {
    payload: message.ServiceState,
    qos: 1,
    retain: true,
    from: 'each service',
    to: 'anyone',
    about:
      'Is the service there, and how is it? `offline` is its last will, and said by hand on a clean stop.',
  }),
  link: json('relay-bridge/link', {
    payload: message.Link,
    qos: 1,
    retain: true,
    from: 'relay-bridge',
    to: 'anyone',
    about: 'The connection to the cloud relay.',
  }),
  request: json('signaling/request', {
    payload: message.Request,
    qos: 1,
    from: 'relay-bridge',
    to: 'webrtc',
    about: 'A viewer asks for video; `ice_servers` as the relay sent it.',
  }),
  offer: json('signaling/offer', {
    payload: message.Offer,
    qos: 1,
    from: 'webrtc',
    to: 'relay-bridge',
    about: 'Our session description.',
  }),
  answer: json('signaling/answer', {
    payload: message.Answer,
    qos: 1,
    from: 'relay-bridge',
    to: 'webrtc',
    about: 'The viewer’s session description.',
  }),
  localCandidate: json('signaling/candidate/local', {
    payload: message.LocalCandidate,
    qos: 1,
    from: 'webrtc',
    to: 'relay-bridge',
    about: 'An ICE candidate of ours, after the offer.',
  }),
  remoteCandidate: json('signaling/candidate/remote', {
    payload: message.RemoteCandidate,
    qos: 1,
    from: 'relay-bridge',
    to: 'webrtc',
    about: 'An ICE candidate of the viewer’s; null or empty means there are no more.',
  }),
  close: json('signaling/close', {
    payload: message.Close,
    qos: 1,
    from: 'relay-bridge',
    to: 'webrtc',
    about: 'The viewer or the relay ended the session.',
  }),
  closed: json('signaling/closed', {
    payload: message.Closed,
    qos: 1,
    from: 'webrtc',
    to: 'relay-bridge',
    about: 'A session is over. The relay is told only of endings by the robot.',
  }),
  error: json('signaling/error', {
    payload: message.SignalingError,
    qos: 1,
    from: 'webrtc',
    to: 'relay-bridge',
    about: 'A session could not be made or kept.',
  }),
  sessions: json('webrtc/sessions', {
    payload: z.array(message.SessionSummary),
    qos: 0,
    retain: true,
    from: 'webrtc',
    to: 'anyone',
    about: 'Everybody who is watching.',
  }),
  video: binary('video/{layer}', {
    qos: 0,
    maxBytes: 2 * MiB,
    from: 'vision',
    to: 'webrtc',
    about:
      'One H.264 access unit: Annex-B, SPS and PPS before each IDR, and first an SEI with capture time, RTP timestamp and frame counter. Only layers in demand.',
  }),
  videoVp8: binary('video/{layer}/vp8', {
    qos: 0,
    maxBytes: 2 * MiB,
    from: 'vision',
    to: 'webrtc',
    about:
      'One VP8 frame as an IVF file of its own, for viewers that take no H.264: capture time in µs, frame counter in place of the number of frames, RTP timestamp in the unused field. Only layers in demand.',
  }),
  keyframe: json('video/{layer}/keyframe', {
    payload: message.Empty,
    qos: 0,
    from: 'webrtc',
    to: 'vision',
    about: 'A keyframe, please; at most two a second per layer are made.',
  }),
  demand: json('video/demand/{who}', {
    payload: message.Demand,
    qos: 1,
    retain: true,
    from: 'webrtc, anyone',
    to: 'vision',
    about:
      'Which layers `who` wants. Counts until `until` or, without it, while `<who>/state` is online. An empty payload takes it back.',
  }),
  detections: json('vision/detections', {
    payload: message.Detections,
    qos: 0,
    from: 'vision',
    to: 'anyone',
    about: 'What the detector saw, once per inference; also when it saw nothing.',
  }),
  track: json('vision/track', {
    payload: message.TrackEvent,
    qos: 1,
    from: 'vision',
    to: 'anyone',
    about:
      'Something came into sight (`new`), its label, zones or stillness changed or it moved on (`update`, one a second at most), or it is gone (`end`).',
  }),
  frame: binary('vision/frame', {
    qos: 0,
    maxBytes: 8 * MiB,
    from: 'vision',
    to: 'anyone',
    about: 'The picture with its boxes as a JPEG, `vision.snapshot_fps` a second and on request.',
  }),
  metrics: json('metrics/{service}', {
    payload: message.Metrics,
    qos: 0,
    except: ['state'], // the state of the service `metrics`
    from: 'each service',
    to: 'metrics',
    about: 'Figures of a service for Prometheus, every 5 s where `metrics.port` is set.',
  }),
  frameRequest: json('vision/frame/request', {
    payload: message.Empty,
    qos: 0,
    from: 'anyone',
    to: 'vision',
    about: 'A JPEG now, please.',
  }),
  dog: json('homeassistant/dog', {
    payload: message.Dog,
    qos: 1,
    retain: true,
    from: 'homeassistant',
    to: 'Home Assistant',
    about: 'Whether a dog is there and when one was last seen, where `homeassistant.enabled` is set.',
  }),
  command: json('command/{name}', {
    payload: message.Command,
    qos: 1,
    maxBytes: 2 * MiB,
    from: 'relay-bridge, webrtc',
    to: 'any robot service',
    about: 'Something for the robot to do. Answer on `command-result` with the same `id`.',
  }),
  motor: json('command/motor', {
    payload: message.Command,
    qos: 0,
    from: 'relay-bridge, webrtc',
    to: 'any robot service',
    about: 'The drive command, ten or more a second: the newest counts, none is sent again.',
  }),
  commandResult: json('command-result', {
    payload: message.CommandResult,
    qos: 1,
    from: 'any robot service',
    to: 'relay-bridge, webrtc',
    about: 'What became of a command; further fields go to the app.',
  }),
  event: json('event/{name}', {
    payload: message.Free,
    qos: 1,
    maxBytes: 8 * MiB,
    from: 'any robot service',
    to: 'relay-bridge',
    about: 'Something happened; the bridge adds the envelope and sends it to the relay.',
  }),
  telemetry: json('telemetry/{source}', {
    payload: message.Telemetry,
    qos: 0,
    retain: true,
    from: 'any robot service',
    to: 'relay-bridge',
    about:
      'Readings; merged into the relay’s `status` event. Sources `mode`, `battery` and `network_state` are also told by themselves. An empty payload takes them back.',
  }),
  cloudProfiles: json('cloud/profiles', {
    payload: message.Free,
    qos: 1,
    retain: true,
    maxBytes: CLOUD_FRAME,
    from: 'relay-bridge',
    to: 'anyone',
    about: 'The owner’s dogs, as the relay sent them; the newest replaces all before.',
  }),
  cloud: json('cloud/{type}', {
    payload: message.Free,
    qos: 1,
    maxBytes: CLOUD_FRAME,
    from: 'relay-bridge',
    to: 'anyone',
    about: 'Every other message of the relay, as it came.',
  }),
} as const
