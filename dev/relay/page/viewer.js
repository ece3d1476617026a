import { createFigures } from './figures.js'
import { createLatencyReader } from './latency.js'
import { newId, openRelayLink } from './relay-link.js'
import {
  element,
  setAnswer,
  setLamp,
  setNotice,
  showDetection,
  showEvent,
  showFigures,
  showLatency,
} from './view.js'
import { Viewing } from './viewing.js'

/** Nothing at all arrives for this long: the robot's side is gone. */
const DEAD_AFTER = 2_500
/** Something arrives, but no picture: the camera may come back, so this is longer. */
const BLACK_AFTER = 12_000
/** A request that has brought no picture by now is made again. */
const ATTEMPT_BUDGET = 4_000
const AGAIN_AFTER = 500

const query = new URLSearchParams(location.search)
const video = /** @type {HTMLVideoElement} */ (element('video'))
const readFigures = createFigures()
const latencyReader = query.has('latency') ? createLatencyReader() : null

/** Handles for tests, benchmarks and the curious. */
const wimz = {
  state: 'waiting',
  frames: 0,
  fps: 0,
  bitrate: 0,
  loss: 0,
  rttMs: /** @type {number | null} */ (null),
  latency: /** @type {{ p50: number, p95: number, n: number } | null} */ (null),
  firstFrameMs: /** @type {number | null} */ (null),
  pc: /** @type {RTCPeerConnection | null} */ (null),
  sessionsStarted: 0,
  events: /** @type {any[]} */ ([]),
  get channel() {
    return viewing?.channel ?? null
  },
}
Object.assign(globalThis, { wimz })

/** @type {Viewing | null} */
let viewing = null
let sessionId = ''
let robotOnline = false
let requestedAt = 0
let lastPicture = 0
let lastBytes = { count: 0, at: 0 }
let againTimer = 0
/** @type {Map<string, string>} */
const asked = new Map()

const relay = openRelayLink({
  device: query.get('device'),
  token: query.get('token'),
  onUp: () => setLamp('relay', 'good', 'connected'),
  onDown() {
    setLamp('relay', 'bad', 'away')
    setLamp('robot', 'waiting', 'unknown')
    robotOnline = false
  },
  onFrame: (frame) => (handlers[frame.type] ?? onEvent)(frame),
})

/** @type {Record<string, (frame: any) => void>} */
const handlers = {
  session_ack({ session_id }) {
    sessionId = session_id
  },
  robot_status({ online }) {
    robotOnline = online
    setLamp('robot', online ? 'good' : 'bad', online ? 'online' : 'offline')
    if (online && !isPlaying()) request()
    if (!online && !isPlaying()) setNotice('The robot is not connected to the relay.')
  },
  webrtc_credentials({ session_id, ice_servers }) {
    viewing?.close()
    viewing = new Viewing(session_id, ice_servers, {
      send: relay.send,
      onStream: (stream) => {
        video.srcObject = stream
      },
      onFailed: (why) => lose(why),
      onMessage: onControlMessage,
    })
    wimz.pc = viewing.pc
  },
  webrtc_offer({ session_id, sdp }) {
    if (viewing?.sessionId === session_id) viewing.offer(sdp).catch((err) => lose(err.message))
  },
  webrtc_ice({ session_id, candidate }) {
    if (viewing?.sessionId === session_id) void viewing.candidate(candidate)
  },
  webrtc_close: ({ session_id, reason }) => {
    if (session_id === sessionId) lose(`closed: ${reason ?? 'by the robot'}`)
  },
  webrtc_error: ({ session_id, error }) => {
    if (!session_id || session_id === sessionId) lose(error)
  },
  command_ack: showAcknowledgement,
  error({ code, message }) {
    setAnswer(`${code}: ${message}`, 'bad')
  },
  auth_result: () => {},
  pong: () => {},
  heartbeat: () => {},
}

/** @param {any} frame */
function onEvent(frame) {
  const name = frame.event ?? frame.type
  if (!name) return
  wimz.events.push(frame)
  if (wimz.events.length > 100) wimz.events.shift()
  if (name === 'detection') showDetection(frame)
  showEvent(String(name).replaceAll('_', ' '))
}

/** @param {any} message */
function onControlMessage(message) {
  if (message.type === 'command_ack') showAcknowledgement(message)
  else showEvent(String(message.type ?? 'message').replaceAll('_', ' '))
}

/** @param {any} ack */
function showAcknowledgement({ id, command, success, error }) {
  const name = asked.get(id) ?? command
  asked.delete(id)
  setAnswer(success ? `${name}: done` : `${name}: ${error ?? 'failed'}`, success ? 'good' : 'bad')
}

function isPlaying() {
  return performance.now() - lastPicture < DEAD_AFTER
}

/** Asks the robot for video, once at a time. */
function request() {
  clearTimeout(againTimer)
  if (!robotOnline || !sessionId) return
  if (!relay.send({ type: 'webrtc_request', device_id: query.get('device') ?? undefined })) return
  requestedAt = performance.now()
  lastPicture = 0
  wimz.sessionsStarted++
  setState('connecting', 'Asking the robot for video…')
}

/** The session is of no use any more: a new one follows. @param {string} why */
function lose(why) {
  viewing?.close()
  viewing = null
  wimz.pc = null
  showEvent(`video lost: ${why}`)
  setState('waiting', 'Reconnecting…')
  clearTimeout(againTimer)
  againTimer = setTimeout(request, AGAIN_AFTER)
}

/** @param {string} state @param {string} notice */
function setState(state, notice) {
  wimz.state = state
  setLamp('video', state === 'playing' ? 'good' : 'waiting', state)
  setNotice(notice)
}

/** Every picture that reaches the screen. */
function onPicture() {
  video.requestVideoFrameCallback(onPicture)
  wimz.frames++
  lastPicture = performance.now()
  wimz.firstFrameMs ??= lastPicture - requestedAt
  latencyReader?.read(video)
  if (wimz.state !== 'playing') setState('playing', '')
}
video.requestVideoFrameCallback(onPicture)

/** Looks after a session that has gone quiet. */
function watch() {
  const now = performance.now()
  const quiet = now - Math.max(lastPicture, requestedAt)
  const silent = quiet > DEAD_AFTER && now - lastBytes.at > DEAD_AFTER
  if (!robotOnline || quiet < DEAD_AFTER) return
  if (!viewing || lastPicture === 0) {
    if (quiet > ATTEMPT_BUDGET && (silent || !viewing)) request()
  } else if (silent) {
    lose('nothing arrives')
  } else if (quiet > BLACK_AFTER) {
    lose('no picture')
  } else {
    setState('waiting', 'The picture stands still…')
  }
}
setInterval(watch, 500)

async function refreshFigures() {
  if (viewing?.pc.connectionState !== 'connected') return
  const figures = await readFigures(viewing.pc)
  if (figures.inboundBytes !== lastBytes.count)
    lastBytes = { count: figures.inboundBytes, at: performance.now() }
  Object.assign(wimz, {
    fps: figures.fps,
    bitrate: figures.bitrate,
    rttMs: figures.rttMs ?? viewing.controlRtt,
    loss: figures.loss,
    latency: latencyReader?.summary() ?? null,
  })
  showFigures(figures)
  if (latencyReader) showLatency(wimz.latency)
}
setInterval(() => refreshFigures().catch(() => {}), 1_000) // a connection that closes meanwhile has no figures

/** @param {string} command @param {object} data @param {string} name */
function sendCommand(command, data, name) {
  const id = newId()
  asked.set(id, name)
  if (asked.size > 20) asked.delete([...asked.keys()][0] ?? '')
  setAnswer(`${name}…`)
  const frame = { type: 'command', command, data, timestamp: Date.now(), id }
  if (!relay.send(frame)) setAnswer('the relay is away', 'bad')
}

element('treat').onclick = () => sendCommand('dispense_treat', { count: 1 }, 'treat')
element('reconnect').onclick = () => lose('reconnect')
element('stop').onclick = () => {
  // both ways: whichever arrives first stops the motors
  if (viewing?.channel?.readyState === 'open') viewing.channel.send(JSON.stringify({ command: 'stop' }))
  sendCommand('stop', {}, 'stop')
}
element('sound').onclick = () => {
  video.muted = !video.muted
  element('sound').setAttribute('aria-pressed', String(!video.muted))
}
element('quality').onchange = () => {
  const { value } = /** @type {HTMLSelectElement} */ (element('quality'))
  sendCommand('set_video_quality', { mode: value }, `quality ${value}`)
}
