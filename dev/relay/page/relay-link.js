const FIRST_WAIT_MS = 300
const MAX_WAIT_MS = 3_000
const PING_INTERVAL_MS = 10_000
/** Without any frame, not even a pong, for this long the socket is dead. */
const SILENCE_MS = 15_000
/** Close code: another app has taken the session over. Reconnecting would take it back in turn. */
const SUPERSEDED = 4003

/** @typedef {'connecting' | 'connected' | 'away' | 'refused' | 'replaced'} LinkState */

/** The app's WebSocket to the relay; reconnects automatically, with one session id. */
export class RelayLink {
  /** The same for the life of the page, so that after a break the robot sees a restart and not a second viewer. */
  sessionId = newId()
  /** @type {LinkState} */
  state = 'connecting'
  /** @type {WebSocket | null} */
  #socket = null
  #opened = false
  #wait = FIRST_WAIT_MS
  #receivedAt = 0
  #timer = 0

  /**
   * @param {{ device: string | null, onState: (state: LinkState) => void, onFrame: (frame: any) => void }} options
   */
  constructor({ device, onState, onFrame }) {
    this.onState = onState
    this.onFrame = onFrame
    this.address = new URL('/ws/app', location.href)
    this.address.protocol = location.protocol === 'https:' ? 'wss:' : 'ws:'
    if (device) this.address.searchParams.set('device_id', device)
    setInterval(() => this.#ping(), PING_INTERVAL_MS)
    addEventListener('pagehide', () => this.send({ type: 'client_closing' }))
    addEventListener('online', () => this.state !== 'connected' && this.connect())
  }

  /** Connects now, closing any earlier socket. */
  connect() {
    clearTimeout(this.#timer)
    this.#leave()
    if (this.state === 'replaced') this.#enter('connecting')
    const socket = new WebSocket(this.address)
    this.#socket = socket
    this.#opened = false
    socket.onopen = () => {
      this.#opened = true
      this.#receivedAt = performance.now()
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
    this.#receivedAt = performance.now()
    const frame = parse(text)
    if (frame?.type === 'session_ack') {
      this.#wait = FIRST_WAIT_MS
      this.#enter('connected')
    }
    if (frame) this.onFrame(frame)
  }

  #ping() {
    if (this.#socket?.readyState !== WebSocket.OPEN) return
    if (performance.now() - this.#receivedAt > SILENCE_MS) this.#lost(0)
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
    else void this.#findReason()
    this.#timer = setTimeout(() => this.connect(), this.#wait)
    this.#wait = Math.min(MAX_WAIT_MS, this.#wait * 2)
  }

  /**
   * A browser does not report why a WebSocket failed to open: a relay that answers HTTP has rejected it. Where the login has
   * ended, the login form takes the place of the page.
   */
  async #findReason() {
    const answer = await fetch('/health').catch(() => null)
    const page = answer?.ok ? await fetch('/', { method: 'HEAD' }).catch(() => null) : null
    if (page?.status === 403) location.reload()
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

/** The JSON object in the text, else null. @param {string} text */
export function parse(text) {
  try {
    const value = JSON.parse(text)
    return typeof value === 'object' && value !== null ? value : null
  } catch {
    return null // not JSON: ignored
  }
}
