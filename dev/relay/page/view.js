const MAX_EVENTS = 30
const MAX_SEEN = 12

/** @param {string} id */
export const element = (id) => /** @type {HTMLElement} */ (document.getElementById(id))

/** @param {'relay' | 'robot' | 'video'} name @param {'good' | 'waiting' | 'bad'} state @param {string} text */
export function setLamp(name, state, text) {
  const lamp = element(`lamp-${name}`)
  lamp.dataset.state = state
  const label = lamp.querySelector('b')
  if (label) label.textContent = text
}

/** What lies over the picture while there is none. @param {string} text */
export function setNotice(text) {
  element('notice').textContent = text
}

/** @param {string} text @param {'good' | 'bad' | ''} state */
export function setAnswer(text, state = '') {
  const answer = element('answer')
  answer.textContent = text
  answer.dataset.state = state
}

/** @param {import('./figures.js').Figures} figures */
export function showFigures({ width, height, fps, bitrate, rttMs, loss, freezes, codec, path }) {
  /** @param {string} id @param {string} text */
  const show = (id, text) => {
    element(`figure-${id}`).textContent = text
  }
  show('size', width ? `${width} × ${height}` : '–')
  show('fps', `${fps.toFixed(1)} /s`)
  show('bitrate', `${Math.round(bitrate / 1000)} kbit/s`)
  show('rtt', rttMs === null ? '–' : `${rttMs.toFixed(rttMs < 10 ? 1 : 0)} ms`)
  show('loss', `${(loss * 100).toFixed(1)} %`)
  show('freezes', String(freezes))
  show('codec', codec)
  show('path', path)
}

/** @param {{ p50: number, p95: number, n: number } | null} latency */
export function showLatency(latency) {
  element('latency').hidden = false
  element('figure-latency').textContent = latency ? `${latency.p50} ms, p95 ${latency.p95}` : 'no clock in it'
}

/** @param {any} event */
export function showDetection(event) {
  const { label, behavior, dog_name, confidence } = { ...event, ...event.data }
  const what = [dog_name ?? label ?? 'something', behavior].filter(Boolean).join(', ')
  const score = typeof confidence === 'number' ? ` ${Math.round(confidence * 100)} %` : ''
  addLine(element('detections'), `${what}${score}`, MAX_SEEN)
}

/** @param {string} text */
export function showEvent(text) {
  addLine(element('events'), text, MAX_EVENTS)
}

/** @param {HTMLElement} list @param {string} text @param {number} most */
function addLine(list, text, most) {
  list.querySelector('.empty')?.remove()
  const line = document.createElement('li')
  const time = document.createElement('time')
  time.textContent = new Date().toLocaleTimeString('en-GB')
  const what = document.createElement('span')
  what.textContent = text.slice(0, 120)
  line.append(what, time)
  list.prepend(line)
  while (list.childElementCount > most) list.lastElementChild?.remove()
}
