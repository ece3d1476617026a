import { Viewing } from './viewing.js'

/** No picture for this long, though the robot's side is there: the camera may come back without our help. */
const BLACK_AFTER = 10_000
/** Neither picture nor sound for this long: the robot's side is gone. */
const DEAD_AFTER = 3_000
/** Packets younger than this prove that the robot's side is there. */
const HEARD_WITHIN = 2_000
/** From the offer to the first packet. */
const CONNECT_WITHIN = 8_000
/** From the request to the offer: at first, and after so many failures. */
const OFFER_WITHIN = [2_500, 2_500, 4_000, 8_000]
const FIRST_RETRY = 1_000
const LONGEST_RETRY = 8_000
const STALLED_AFTER = 1_500

/** @typedef {'waiting' | 'asking' | 'connecting' | 'playing' | 'stalled' | 'taken'} Phase */

/**
 * Keeps a picture on the screen: asks for video, and asks again whenever it has gone. `taken` means that a
 * newer viewer or app has our place; then only a person asks again.
 */
export class Player {
  /** @type {Phase} */
  phase = 'waiting'
  frames = 0
  /** Requests made. */
  sessions = 0
  /** Request to first picture, ms, of the first session that had one. @type {number | null} */
  firstFrameMs = null
  /** @type {Viewing | null} */
  viewing = null
  robotOnline = false
  #requestedAt = 0
  #pictureAt = Number.NEGATIVE_INFINITY
  #heardAt = Number.NEGATIVE_INFINITY
  #retryAt = Number.POSITIVE_INFINITY
  #failures = 0
  #packets = 0
  #decoded = 0

  /**
   * @param {HTMLVideoElement} video
   * @param {{ request: () => boolean, send: (frame: object) => void, onPhase: (phase: Phase) => void, onPicture: () => void,
   *   onLost: (why: string) => void, onMessage: (message: any) => void, onChannel: (open: boolean) => void }} hooks
   */
  constructor(video, hooks) {
    this.video = video
    this.hooks = hooks
    setInterval(() => this.#watch(), 250)
    const next = () => {
      video.requestVideoFrameCallback?.(next)
      this.#shown()
    }
    video.requestVideoFrameCallback?.(next)
  }

  /** @param {boolean} online */
  robot(online) {
    this.robotOnline = online
    // what was being signalled when the robot's socket went is lost
    if (online && this.phase !== 'playing' && this.phase !== 'taken') this.request()
    else if (!online && this.phase !== 'playing' && this.phase !== 'taken') this.#enter('waiting')
  }

  /** Asks for video now. What there is ends. */
  request() {
    this.#drop()
    this.#retryAt = Number.POSITIVE_INFINITY
    this.#requestedAt = performance.now()
    if (!this.robotOnline || !this.hooks.request()) {
      this.#enter('waiting')
      return
    }
    this.sessions++
    this.#enter('asking')
  }

  /** A person wants it anew; without the robot, what there is stays. */
  reconnect() {
    this.#failures = 0
    if (this.robotOnline) this.request()
    else if (this.phase === 'taken') this.#enter('waiting')
  }

  /** Somebody else has our place: leaves it until a person wants it back. @param {string} why */
  yield(why) {
    this.#drop()
    this.#retryAt = Number.POSITIVE_INFINITY
    this.hooks.onLost(why)
    this.#enter('taken')
  }

  /** One signalling frame of the relay. @param {any} frame */
  signal(frame) {
    const { type, session_id, sdp, ice_servers, candidate } = frame
    if (type === 'webrtc_credentials') this.#open(session_id, ice_servers)
    else if (this.viewing?.sessionId !== session_id) return
    else if (type === 'webrtc_offer') this.#offer(typeof sdp === 'string' ? { type: 'offer', sdp } : sdp)
    else if (type === 'webrtc_ice') void this.viewing?.candidate(candidate)
    else if (type === 'webrtc_error') this.#fail(String(frame.error))
    else if (type === 'webrtc_close') this.#ended(frame.reason)
  }

  /** What the connection's counters say: the only proof of life on a hidden page. @param {import('./figures.js').Sample} sample */
  sampled({ packets, decoded }) {
    if (packets > this.#packets) this.#heardAt = performance.now()
    if (decoded > this.#decoded) this.#progress()
    this.#packets = packets
    this.#decoded = decoded
  }

  /** @param {string} sessionId @param {any} iceServers */
  #open(sessionId, iceServers) {
    this.viewing?.close()
    this.#packets = 0
    this.#decoded = 0
    this.viewing = new Viewing(sessionId, iceServers, {
      send: this.hooks.send,
      onMessage: this.hooks.onMessage,
      onChannel: this.hooks.onChannel,
      onFailed: (why) => this.#fail(why),
      onStream: (stream) => {
        // until then the last picture of the session before stays
        this.video.srcObject = stream
        this.video.play().catch(() => {}) // the next stream takes its place
      },
    })
  }

  /** @param {RTCSessionDescriptionInit} sdp */
  #offer(sdp) {
    // of a newer session with our id: an earlier request was answered late
    if (this.viewing && !this.viewing.takes(sdp)) this.#open(this.viewing.sessionId, this.viewing.iceServers)
    void this.viewing?.offer(sdp)
    if (this.phase === 'asking') this.#enter('connecting')
  }

  /** @param {unknown} reason */
  #ended(reason) {
    if (reason === 'evicted') this.yield('a newer viewer has our place')
    else this.#fail(`closed: ${reason ?? 'by the robot'}`)
  }

  /** The session is of no use any more: another follows. @param {string} why */
  #fail(why) {
    this.#drop()
    this.hooks.onLost(why)
    this.#retryAt = performance.now() + Math.min(LONGEST_RETRY, FIRST_RETRY * 2 ** this.#failures++)
    this.#enter('waiting')
  }

  #drop() {
    this.viewing?.close()
    this.viewing = null
  }

  #shown() {
    if (!this.viewing?.stream || this.video.srcObject !== this.viewing.stream) return
    this.frames++
    this.#progress()
    this.hooks.onPicture()
  }

  #progress() {
    if (!this.viewing) return
    this.#pictureAt = performance.now()
    if (this.phase === 'playing') return
    this.firstFrameMs ??= this.#pictureAt - this.#requestedAt
    this.#failures = 0
    this.#enter('playing')
  }

  #watch() {
    const now = performance.now()
    if (now >= this.#retryAt) this.request()
    if (!this.viewing && this.phase !== 'asking') return
    const quiet = now - Math.max(this.#pictureAt, this.#requestedAt, this.viewing?.offeredAt ?? 0)
    if (this.phase === 'playing' && quiet > STALLED_AFTER) this.#enter('stalled')
    if (quiet > this.#patience(now) && this.robotOnline) {
      this.hooks.onLost(this.phase === 'asking' ? 'the robot made no offer' : 'no picture')
      this.#failures++
      this.request()
    }
  }

  /** @param {number} now */
  #patience(now) {
    if (!this.viewing?.offeredAt) return OFFER_WITHIN[Math.min(this.#failures, OFFER_WITHIN.length - 1)] ?? 0
    if (now - this.#heardAt < HEARD_WITHIN) return BLACK_AFTER
    return this.#pictureAt > this.#requestedAt ? DEAD_AFTER : CONNECT_WITHIN
  }

  /** @param {Phase} phase */
  #enter(phase) {
    if (phase === this.phase) return
    this.phase = phase
    this.hooks.onPhase(phase)
  }
}
