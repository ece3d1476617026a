const MAX_EVENTS = 60
const TREND = 60

/** @param {string} id */
export const element = (id) => /** @type {HTMLElement} */ (document.getElementById(id))

/** @typedef {'good' | 'waiting' | 'bad'} Tone */

/** @param {'relay' | 'robot' | 'video'} name @param {Tone} state @param {string} text */
export function setLamp(name, state, text) {
  const lamp = element(`lamp-${name}`)
  lamp.dataset.state = state
  write(lamp.querySelector('b'), text)
}

/** The text over the video while it is not live; empty hides it. @param {string} text @param {boolean} ask whether the user must decide */
export function setNotice(text, ask = false) {
  const notice = element('notice')
  notice.classList.toggle('shown', text !== '')
  notice.classList.toggle('asks', ask)
  element('take').hidden = !ask
  if (text) write(notice.querySelector('p'), text)
}

/** @param {import('./figures.js').Figures} figures */
export function showFigures({ width, height, fps, bitrate, rttMs, loss, freezes, codec, path }) {
  show('size', width ? `${width} × ${height}` : '–')
  show('fps', `${fps.toFixed(1)} fps`, fps)
  show('bitrate', describeBitrate(bitrate), bitrate)
  show('rtt', rttMs === null ? '–' : `${rttMs.toFixed(rttMs < 10 ? 1 : 0)} ms`, rttMs ?? 0)
  show('loss', `${(loss * 100).toFixed(1)} %`)
  show('freezes', String(freezes))
  show('codec', codec || '–')
  show('path', path || '–')
}

/** Why frames are smaller than the chosen quality. @type {Record<string, string>} */
export const LIMITS = { overload: 'smaller: robot overloaded', camera: 'smaller: camera' }

/** Shows `video_quality` of the data channel (docs/relay-protocol.md#data-channel). @param {any} message */
export function showQuality({ tier, mode, bars, limited_by }) {
  const known = [tier, mode, LIMITS[limited_by]].filter((word) => typeof word === 'string')
  write(element('tier'), known.join(', ').slice(0, 60))
  const signal = element('bars')
  signal.hidden = typeof bars !== 'number'
  signal.dataset.bars = String(bars)
  signal.ariaLabel = `Signal ${bars} of 4`
}

/** @param {{ p50: number, p95: number, n: number } | null} latency */
export function showLatency(latency) {
  element('latency').hidden = false
  if (latency) show('latency', `${latency.p50} ms median, ${latency.p95} ms p95`, latency.p50)
  else show('latency', 'no clock in this frame')
}

/** Adds a line to the event log. @param {string} name @param {string} details */
export function showEvent(name, details = '') {
  const list = element('events')
  const line = document.createElement('li')
  line.append(
    part('time', new Date().toLocaleTimeString('en-GB')),
    part('b', name.slice(0, 60)),
    part('span', details.slice(0, 200)),
  )
  list.prepend(line)
  list.tabIndex = 0 // scrolls, so the keyboard must reach it
  while (list.childElementCount > MAX_EVENTS) list.lastElementChild?.remove()
}

/** @param {number} bitrate */
function describeBitrate(bitrate) {
  return bitrate < 1e6 ? `${Math.round(bitrate / 1e3)} kbit/s` : `${(bitrate / 1e6).toFixed(2)} Mbit/s`
}

/** @type {Map<string, number[]>} */
const trends = new Map()

/** @param {string} id @param {string} text @param {number} [value] of the curve behind the text */
function show(id, text, value) {
  write(element(`figure-${id}`), text)
  if (value !== undefined) draw(id, value)
}

/** Draws the last minute. @param {string} id @param {number} value */
function draw(id, value) {
  const values = trends.get(id) ?? []
  trends.set(id, values)
  values.push(value)
  if (values.length > TREND) values.shift()
  const top = Math.max(...values) * 1.15 || 1
  const points = values.map((y, i) => `${i + TREND - values.length},${(20 - (y / top) * 18).toFixed(1)}`)
  const curve = element(`trend-${id}`)
  curve.setAttribute('viewBox', `0 0 ${TREND - 1} 20`)
  curve.setAttribute('preserveAspectRatio', 'none')
  curve.firstElementChild?.setAttribute('points', points.join(' '))
}

/** @param {string} name @param {string} text */
export function part(name, text) {
  const node = document.createElement(name)
  node.textContent = text
  return node
}

/** Sets the text unless it is the same: screen readers would read it again. @param {Element | null} node @param {string} text */
export function write(node, text) {
  if (node && node.textContent !== text) node.textContent = text
}

/** What the robot sheds, by overload level (docs/operating.md). */
const SHED = [
  'over, nothing is reduced',
  'detections at half their rate',
  'detections at a fifth of their rate',
  'fewer detections, smaller frames',
  'fewer detections, smallest frames',
]

/** What the robot reports of its camera and of its load, over either path. */
export class RobotHealth {
  cameraOk = true
  /** Camera and microphone are closed because privacy is on. */
  isPrivate = false
  /** 0 to 4; 0 where the robot does not report it. */
  overload = 0

  /** @param {() => void} onChange */
  constructor(onChange) {
    this.onChange = onChange
  }

  /** @param {any} facts `video_quality` of the data channel, or the data of a `status` event */
  update({ camera_ok, overload, privacy, type }) {
    // only `video_quality` tells of privacy
    const privacyChanged = type === 'video_quality' && this.#setPrivacy(privacy === true)
    const cameraChanged = typeof camera_ok === 'boolean' && camera_ok !== this.cameraOk
    const overloadChanged = typeof overload === 'number' && overload !== this.overload
    if (cameraChanged) {
      this.cameraOk = camera_ok
      showEvent('camera', camera_ok ? 'delivers frames again' : 'delivers no frames')
    }
    if (overloadChanged) {
      this.overload = overload
      showEvent('overload', SHED[overload] ?? `level ${overload}`)
    }
    if (cameraChanged || overloadChanged || privacyChanged) this.onChange()
  }

  /** Returns whether it has changed. @param {boolean} isPrivate */
  #setPrivacy(isPrivate) {
    if (isPrivate === this.isPrivate) return false
    this.isPrivate = isPrivate
    showEvent('privacy', isPrivate ? 'on: camera and microphone are closed' : 'off')
    return true
  }
}
