import { Commands } from './commands.js'
import { Drive } from './drive.js'
import { Meter, sample } from './figures.js'
import { Freshness } from './freshness.js'
import { GamepadSticks } from './gamepad.js'
import { createLatencyReader } from './latency.js'
import { Photo } from './photo.js'
import { Pictures } from './pictures.js'
import { Player } from './player.js'
import { RelayLink } from './relay-link.js'
import { copyReport } from './report.js'
import { Seen } from './seen.js'
import { Sound } from './sound.js'
import { Talk } from './talk.js'
import {
  element,
  RobotHealth,
  setLamp,
  setNotice,
  showEvent,
  showFigures,
  showLatency,
  showQuality,
  write,
} from './view.js'
import { WakeLock } from './wake-lock.js'

const SAMPLE_EVERY = 500
const MAX_EVENTS = 100
const MAX_PICTURES = 1_000
/** A larger age is no measurement: the clocks of robot and browser do not correspond. */
const MAX_KNOWN_AGE_MS = 60_000
/** Video ends after the page was hidden for this long. */
const HIDDEN_MS = 10_000
/** Too frequent for the event log. */
const NOT_LOGGED = new Set(['status', 'heartbeat', 'pong', 'auth_result', 'session_ack', 'video_quality'])

const query = new URLSearchParams(location.search)
const video = /** @type {HTMLVideoElement} */ (element('video'))
const latencyReader = query.has('latency') ? createLatencyReader() : null
const meter = new Meter()
const seen = new Seen()
const photo = new Photo()
/** This login is for watching: of all commands it may send stop only. */
let watchOnly = false

const link = new RelayLink({
  device: query.get('device'),
  onState: showLink,
  onFrame: (frame) => (handlers.get(frame.type) ?? received)(frame),
})

const player = new Player(video, {
  request: () =>
    link.send({ type: 'webrtc_request', device_id: query.get('device') ?? undefined, talk: true }),
  send: (frame) => link.send(frame),
  onPhase: showPhase,
  onPicture: (metadata) => notePicture(latencyReader?.read(video) ?? null, metadata),
  onLost: (why) => showEvent('video lost', why),
  onMessage(message) {
    if (message.type === 'command_ack') commands.acknowledged(message, 'data channel')
    else if (message.type === 'video_quality') {
      showQuality(message)
      health.update(message)
      drive.setDriver(message.driver)
    } else if (message.type === 'sound') sound.received(message)
    else if (message.type === 'talk') talk.received(message)
    else received(message)
  },
  onChannel(open) {
    drive.enable(open && !watchOnly)
    sound.enable(open)
    talk.enable(open && !watchOnly)
    enableCommands()
  },
})

const channel = () => player.viewing?.channel ?? null
const commands = new Commands({
  send: (frame) => link.send(frame),
  isOnline: () => player.robotOnline,
  channel,
})
const emergencyStop = () => commands.stop('emergency_stop', 'Emergency stop')
const sound = new Sound({ video, channel, pc: () => player.viewing?.pc ?? null })
const talk = new Talk({ channel, transceiver: () => player.viewing?.voiceTransceiver ?? null })
const wakeLock = new WakeLock()
const drive = new Drive({ channel, stop: emergencyStop, onArmed: (armed) => wakeLock.set(armed) })
const pictures = new Pictures({
  send: (frame) => link.send(frame),
  player,
  onPicture: (age) => freshness.shown(age),
  onChange() {
    player.patient = pictures.shown
    showPhase(player.phase)
  },
})
const freshness = new Freshness((fresh) => drive.setFresh(fresh))
const health = new RobotHealth(() => {
  showRobotLamp(player.robotOnline)
  showPhase(player.phase)
})
new GamepadSticks({ move: (stick) => drive.move(stick), stop: emergencyStop })

/** Statistics and handles for tests, benchmarks and debugging. */
const wimz = {
  fps: 0,
  bitrate: 0,
  loss: 0,
  rttMs: /** @type {number | null} */ (null),
  latency: /** @type {{ p50: number, p95: number, n: number } | null} */ (null),
  /** When each of the last frames was shown, its age (ms) and its height. @type {[at: number, age: number | null, height: number][]} */
  pictures: [],
  /** The last relay frames other than signaling. @type {any[]} */
  events: [],
  freshness,
  get state() {
    return player.phase
  },
  get frames() {
    return player.frames
  },
  get sessions() {
    return player.sessions
  },
  get firstFrameMs() {
    return player.firstFrameMs
  },
  get pc() {
    return player.viewing?.pc ?? null
  },
  get channel() {
    return channel()
  },
}
Object.assign(globalThis, { wimz })

/** @type {Map<unknown, (frame: any) => void>} */
const handlers = new Map([
  ['session_ack', showSession],
  ['robot_status', ({ online }) => showRobot(online === true)],
  ['command_ack', (ack) => commands.acknowledged(ack, 'relay')],
  ['error', showError],
  ['snapshot', (frame) => pictures.received(frame)],
])
for (const type of ['credentials', 'offer', 'ice', 'close', 'error'])
  handlers.set(`webrtc_${type}`, (frame) => player.signal(frame))

/** @param {number | null} age by the clock in the picture @param {VideoFrameCallbackMetadata} metadata */
function notePicture(age, metadata) {
  freshness.shown(age ?? ageOf(metadata))
  wimz.pictures.push([performance.now(), age, video.videoHeight])
  if (wimz.pictures.length > MAX_PICTURES) wimz.pictures.shift()
}

/**
 * Age of the frame, ms: from its capture by the robot's sender reports, else from the arrival of its last packet; null where the
 * browser knows neither.
 * @param {VideoFrameCallbackMetadata} metadata
 */
function ageOf({ captureTime, receiveTime }) {
  const age = performance.now() - (captureTime ?? receiveTime ?? Number.NaN)
  return Math.abs(age) < MAX_KNOWN_AGE_MS ? age : null
}

/** @param {any} session `role: 'watch'` where this login is for watching only */
function showSession({ device_id, role }) {
  watchOnly = role === 'watch'
  const name = String(device_id ?? 'live')
  write(element('device'), watchOnly ? `${name}, watching only` : name)
  enableCommands()
}

/** @param {boolean} online */
function showRobotLamp(online) {
  if (!online) setLamp('robot', 'bad', 'offline')
  else if (health.overload > 0) setLamp('robot', 'waiting', 'overloaded')
  else setLamp('robot', 'good', 'online')
}

/** @param {import('./relay-link.js').LinkState} state */
function showLink(state) {
  setLamp('relay', state === 'connected' ? 'good' : 'bad', state)
  if (state === 'connected') return
  player.robot(false)
  if (state === 'replaced') player.yield('another app has taken over')
  enableCommands()
  setLamp('robot', 'waiting', 'unknown')
  showPhase(player.phase)
}

/** @param {boolean} online */
function showRobot(online) {
  showRobotLamp(online)
  player.robot(online)
  enableCommands()
  showPhase(player.phase)
}

function enableCommands() {
  commands.enable(!watchOnly && (player.robotOnline || channel()?.readyState === 'open'))
}

/** @type {Partial<Record<import('./player.js').Phase, 'good' | 'bad'>>} */
const LAMPS = { playing: 'good', unsupported: 'bad' }

/** @param {import('./player.js').Phase} phase */
function showPhase(phase) {
  document.body.dataset.phase = phase
  if (phase === 'playing' && health.isPrivate) setLamp('video', 'waiting', 'private')
  else if (phase === 'playing' && !health.cameraOk) setLamp('video', 'bad', 'no camera')
  else if (pictures.shown) setLamp('video', 'waiting', 'pictures')
  else setLamp('video', LAMPS[phase] ?? 'waiting', phase === 'playing' ? 'live' : phase)
  setNotice(pictures.shown ? '' : noticeFor(phase), phase === 'taken')
}

/** @param {import('./player.js').Phase} phase */
function noticeFor(phase) {
  if (phase === 'playing') return ''
  if (phase === 'unsupported')
    return 'This browser has no WebRTC, or it is switched off, so it cannot show video or drive. The robot is not the cause.'
  if (document.body.dataset.identity === 'missing')
    return 'This robot has no identity. Set DEVICE_ID and DEVICE_SECRET (docs/operating.md, Install), and restart it.'
  if (link.state === 'replaced') return 'Another app has taken over.'
  if (link.state === 'refused') return 'The relay rejects this page. Check the device in its address.'
  if (phase === 'paused') return 'Paused while this page was hidden.'
  if (phase === 'taken') return 'A newer viewer has taken this place.'
  if (link.state === 'connecting') return 'Connecting to the relay…'
  if (link.state === 'away') return 'No connection to the relay. Retrying…'
  if (!player.robotOnline) return 'The robot is offline. Waiting for it…'
  if (phase === 'stalled') return 'The video has stalled…'
  return phase === 'waiting' ? 'Reconnecting…' : 'Waiting for video…'
}

/** @param {any} frame */
function showError({ code, message }) {
  commands.rejected(String(message ?? code))
  showEvent('relay', String(message ?? code))
  if (code === 'DEVICE_OFFLINE') showRobot(false)
}

/** @param {any} frame any other than signaling */
function received(frame) {
  const name = frame.event ?? frame.type
  if (typeof name !== 'string') return
  // a hundred photos would take a hundred megabytes
  wimz.events.push(name === 'photo' ? { ...frame, data: null } : frame)
  if (wimz.events.length > MAX_EVENTS) wimz.events.shift()
  if (name === 'detection') seen.add(frame)
  if (name === 'photo') photo.show(frame)
  if (name === 'status') health.update(frame.data ?? {})
  if (!NOT_LOGGED.has(name)) showEvent(name.replaceAll('_', ' '), describe(frame.data ?? {}))
}

/** The short fields as text. @param {any} data */
function describe(data) {
  if (data.label && typeof data.confidence === 'number')
    return `${data.dog_name ?? data.label} ${Math.round(data.confidence * 100)} %`
  return Object.entries(data)
    .filter(([, value]) => typeof value === 'number' || (typeof value === 'string' && value.length < 200))
    .map(([key, value]) => `${key} ${value}`)
    .join(', ')
}

let samples = 0

async function measure() {
  const { viewing } = player
  if (viewing?.pc.connectionState !== 'connected') return
  const now = await sample(viewing.pc)
  if (player.viewing !== viewing) return
  player.sampled(now)
  now.rttMs ??= viewing.controlRtt
  const { fps, bitrate, loss, rttMs, ...rest } = meter.add(now)
  Object.assign(wimz, { fps, bitrate, loss, rttMs, latency: latencyReader?.summary() ?? null })
  if (++samples % 2 === 0) return
  showFigures({ fps, bitrate, loss, rttMs, ...rest })
  if (latencyReader) showLatency(wimz.latency)
}
setInterval(() => measure().catch(() => {}), SAMPLE_EVERY) // a connection that closes during the measurement has no statistics

function again() {
  player.reconnect()
  if (link.state !== 'connected') link.connect()
}
element('reconnect').onclick = again
element('take').onclick = again
const pip = /** @type {HTMLButtonElement} */ (element('pip'))
pip.disabled = document.pictureInPictureEnabled !== true // hiding it would move the others
pip.onclick = () => {
  const leave = document.pictureInPictureElement !== null
  void (leave ? document.exitPictureInPicture() : video.requestPictureInPicture().catch(() => {})) // no frame yet
}
video.onenterpictureinpicture = () => pip.setAttribute('aria-pressed', 'true')
video.onleavepictureinpicture = () => {
  pip.setAttribute('aria-pressed', 'false')
  pauseWhenHidden()
}
const logout = element('logout')
logout.hidden = document.body.dataset.login !== 'required'
logout.onclick = () =>
  fetch('/logout', { method: 'POST' }).then(
    () => location.replace('/'),
    () => {}, // the relay is away: its lamp says so
  )
element('report').onclick = () => {
  const { fps, bitrate, loss, rttMs, state, frames, sessions, firstFrameMs, events } = wimz
  const figures = { state, relay: link.state, fps, bitrate, loss, rttMs, frames, sessions, firstFrameMs }
  void copyReport({ pc: wimz.pc, state: figures, events })
}

let hiddenTimer = 0

function pauseWhenHidden() {
  clearTimeout(hiddenTimer)
  if (!document.hidden) player.resume()
  else
    hiddenTimer = setTimeout(() => {
      if (document.hidden && !document.pictureInPictureElement) player.pause()
    }, HIDDEN_MS)
}
document.addEventListener('visibilitychange', pauseWhenHidden)
// secure contexts only
navigator.serviceWorker?.register('/worker.js').catch(() => {})

element('fullscreen').onclick = () => {
  const leave = document.fullscreenElement !== null
  void (leave ? document.exitFullscreen() : element('stage').requestFullscreen?.())
}

showPhase(player.phase)
link.connect()
