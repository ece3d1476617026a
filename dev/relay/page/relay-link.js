const FIRST_WAIT = 300
const LONGEST_WAIT = 3_000
const PING_EVERY = 10_000
/** Nothing heard for this long, not even a pong: the socket is dead, whatever the browser thinks. */
const SILENT_AFTER = 15_000
/** Another app has taken the session over; to come back at once would be a quarrel (API_CONTRACT 1.4). */
const SUPERSEDED = 4003

/** @typedef {'connecting' | 'connected' | 'away' | 'refused' | 'replaced'} LinkState */

/** The app's WebSocket to the relay, kept up for ever under one session id. */
export class RelayLink {
  /** Ours for as long as the page lives: asked for again after a break, the robot sees a restart and no second viewer. */
  sessionId = newId()
  /** @type {LinkState} */
  state = 'connecting'
  /** @type {WebSocket | null} */
  #socket = null
  #opened = false
  #wait = FIRST_WAIT
  #heardAt = 0
  #timer = 0

  /**
   * @param {{ device: string | null, token: string | null, onState: (state: LinkState) => void, onFrame: (frame: any) => void }} options
   */
  constructor({ device, token, onState, onFrame }) {
    this.onState = onState
    this.onFrame = onFrame
    this.address = new URL('/ws/app', location.href)
    this.address.protocol = location.protocol === 'https:' ? 'wss:' : 'ws:'
    if (device) this.address.searchParams.set('device_id', device)
    if (token) this.address.searchParams.set('token', token)
    setInterval(() => this.#ping(), PING_EVERY)
    addEventListener('pagehide', () => this.send({ type: 'client_closing' }))
    addEventListener('online', () => this.state !== 'connected' && this.connect())
  }

  /** Dials now, whatever was before. */
  connect() {
    clearTimeout(this.#timer)
    this.#leave()
    if (this.state === 'replaced') this.#enter('connecting')
    const socket = new WebSocket(this.address)
    this.#socket = socket
    this.#opened = false
    socket.onopen = () => {
      this.#opened = true
      this.#heardAt = performance.now()
      this.send({ type: 'session_hello', session_id: this.sessionId, user_id: 'local', last_seen_seq: 0 })
    }
    socket.onmessage = ({ data }) => this.#received(data)
    socket.onclose = ({ code }) => this.#lost(code)
  }

  /** @param {object} frame @returns {boolean} whether it could be sent */
  send(frame) {
    if (this.#socket?.readyState !== WebSocket.OPEN) return false
    this.#socket.send(JSON.stringify(frame))
    return true
  }

  /** @param {string} text */
  #received(text) {
    this.#heardAt = performance.now()
    const frame = parse(text)
    if (frame?.type === 'session_ack') {
      this.#wait = FIRST_WAIT
      this.#enter('connected')
    }
    if (frame) this.onFrame(frame)
  }

  #ping() {
    if (this.#socket?.readyState !== WebSocket.OPEN) return
    if (performance.now() - this.#heardAt > SILENT_AFTER) this.#lost(0)
    else this.send({ type: 'ping' })
  }

  /** @param {number} code */
  #lost(code) {
    this.#leave()
    if (code === SUPERSEDED) {
      this.#enter('replaced')
      return
    }
    if (this.#opened) this.#enter('away')
    else if (this.state !== 'away') void this.#tellWhy()
    this.#timer = setTimeout(() => this.connect(), this.#wait)
    this.#wait = Math.min(LONGEST_WAIT, this.#wait * 2)
  }

  /** A browser does not say why a WebSocket was not opened: a relay that answers otherwise has refused it. */
  async #tellWhy() {
    const answer = await fetch('/health').catch(() => null)
    if (this.state !== 'connected') this.#enter(answer?.ok ? 'refused' : 'away')
  }

  #leave() {
    if (!this.#socket) return
    this.#socket.onopen = this.#socket.onmessage = this.#socket.onclose = null
    this.#socket.close()
    this.#socket = null
  }

  /** @param {LinkState} state */
  #enter(state) {
    this.state = state
    this.onState(state)
  }
}

/** A random id; `crypto.randomUUID` exists on secure origins only. */
export function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16))
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
}

/** The JSON object that the text is, else null. @param {string} text */
export function parse(text) {
  try {
    const value = JSON.parse(text)
    return typeof value === 'object' && value !== null ? value : null
  } catch {
    return null // what a robot says may not be JSON for everybody
  }
}
