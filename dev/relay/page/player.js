import { HAS_WEBRTC, Viewing } from './viewing.js'

/** Request again after this long without a frame, while packets arrive: the camera may recover by itself. */
const NO_FRAME_MS = 10_000
/** Request again after this long without video and audio packets. */
const NO_PACKET_MS = 3_000
/** Packets younger than this prove that the connection works. */
const RECENT_PACKET_MS = 2_000
/** Longest time from the offer to the first packet. */
const CONNECT_MS = 8_000
/** Longest time from the request to the offer, by number of failures. */
const OFFER_MS = [2_500, 2_500, 4_000, 8_000]
const FIRST_RETRY_MS = 1_000
const MAX_RETRY_MS = 8_000
/** While pictures are shown: each attempt may end the session of another viewer. */
const MAX_PATIENT_RETRY_MS = 60_000
const STALLED_MS = 1_500

/** @typedef {'waiting' | 'asking' | 'connecting' | 'playing' | 'stalled' | 'taken' | 'paused' | 'unsupported'} Phase */

/**
 * Keeps video on the screen: requests it, and requests it again when it is lost. `taken` means that a newer viewer or
 * app has this place; then only the user requests it again. `paused`: the page is hidden. `unsupported` means that this browser has no WebRTC: nothing is
 * requested.
 */
export class Player {
  /** @type {Phase} */
  phase = HAS_WEBRTC ? 'waiting' : 'unsupported'
  frames = 0
  /** Requests made. */
  sessions = 0
  /** From the request to the first frame, ms, of the first session that showed one. @type {number | null} */
  firstFrameMs = null
  /** @type {Viewing | null} */
  viewing = null
  robotOnline = false
  /** Why the last attempt brought no video; empty after one that did. */
  whyNot = HAS_WEBRTC ? '' : 'this browser has no WebRTC'
  /** Whether something else is on the screen, so that attempts may be rare. */
  patient = false
  #requestedAt = 0
  #frameAt = Number.NEGATIVE_INFINITY
  #packetAt = Number.NEGATIVE_INFINITY
  #retryAt = Number.POSITIVE_INFINITY
  #failures = 0
  #packets = 0
  #decoded = 0

  /**
   * @param {HTMLVideoElement} video
   * @param {{ request: () => boolean, send: (frame: object) => void, onPhase: (phase: Phase) => void, onPicture: (metadata: VideoFrameCallbackMetadata) => void,
   *   onLost: (why: string) => void, onMessage: (message: any) => void, onChannel: (open: boolean) => void }} hooks
   */
  constructor(video, hooks) {
    this.video = video
    this.hooks = hooks
    setInterval(() => this.#watch(), 250)
    const next = (/** @type {number} */ _now, /** @type {VideoFrameCallbackMetadata} */ metadata) => {
      video.requestVideoFrameCallback?.(next)
      this.#shown(metadata)
    }
    video.requestVideoFrameCallback?.(next)
  }

  /** @param {boolean} online */
  robot(online) {
    this.robotOnline = online
    // signaling that was under way when the robot's socket closed is lost
    if (['playing', 'taken', 'paused'].includes(this.phase)) return
    if (online) this.request()
    else this.#enter('waiting')
  }

  /** Ends the session until {@link resume}: a hidden page needs no video. */
  pause() {
    if (this.phase === 'taken') return
    const session_id = this.viewing?.sessionId
    if (session_id) this.hooks.send({ type: 'webrtc_close', session_id, reason: 'page hidden' })
    this.#drop()
    this.#retryAt = Number.POSITIVE_INFINITY
    this.#enter('paused')
  }

  resume() {
    if (this.phase === 'paused') this.request()
  }

  /** Requests video now. Ends the current session. */
  request() {
    if (!HAS_WEBRTC) return
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

  /** The user reconnects; while the robot is offline, the current session stays. */
  reconnect() {
    this.#failures = 0
    if (this.robotOnline) this.request()
    else if (this.phase === 'taken' || this.phase === 'paused') this.#enter('waiting')
  }

  /** Another viewer has this place: waits until the user wants it back. @param {string} why */
  yield(why) {
    this.#drop()
    this.#retryAt = Number.POSITIVE_INFINITY
    this.hooks.onLost(why)
    this.#enter('taken')
  }

  /** One signaling frame of the relay. @param {any} frame */
  signal(frame) {
    const { type, session_id, sdp, ice_servers, candidate } = frame
    if (type === 'webrtc_credentials') this.#open(session_id, ice_servers)
    else if (this.viewing?.sessionId !== session_id) return
    else if (type === 'webrtc_offer') this.#offer(typeof sdp === 'string' ? { type: 'offer', sdp } : sdp)
    else if (type === 'webrtc_ice') void this.viewing?.candidate(candidate)
    else if (type === 'webrtc_error') this.#fail(String(frame.error))
    else if (type === 'webrtc_close') this.#ended(frame.reason)
  }

  /** The connection's counters: the only proof of life on a hidden page. @param {import('./figures.js').Sample} sample */
  sampled({ packets, decoded }) {
    if (packets > this.#packets) this.#packetAt = performance.now()
    if (decoded > this.#decoded) this.#progress()
    this.#packets = packets
    this.#decoded = decoded
  }

  /** @param {string} sessionId @param {any} iceServers */
  #open(sessionId, iceServers) {
    if (!HAS_WEBRTC || this.phase === 'paused') return
    this.viewing?.close()
    this.#packets = 0
    this.#decoded = 0
    try {
      this.viewing = new Viewing(sessionId, iceServers, {
        send: this.hooks.send,
        onMessage: this.hooks.onMessage,
        onChannel: this.hooks.onChannel,
        onFailed: (why) => this.#fail(why),
        onStream: (stream) => {
          // until then the last frame of the previous session stays
          this.video.srcObject = stream
          this.video.play().catch(() => {}) // the next stream takes its place
        },
      })
    } catch (err) {
      // malformed servers of the relay, or a policy of this browser
      this.#fail(`this browser makes no peer connection: ${err instanceof Error ? err.message : err}`)
    }
  }

  /** @param {RTCSessionDescriptionInit} sdp */
  #offer(sdp) {
    // a newer session with the same id: an earlier request was answered late
    if (this.viewing && !this.viewing.takes(sdp)) this.#open(this.viewing.sessionId, this.viewing.iceServers)
    void this.viewing?.offer(sdp)
    if (this.phase === 'asking') this.#enter('connecting')
  }

  /** @param {unknown} reason */
  #ended(reason) {
    if (reason === 'evicted') this.yield('a newer viewer has this place')
    else this.#fail(`closed: ${reason ?? 'by the robot'}`)
  }

  /** The session has failed: another one follows. @param {string} why */
  #fail(why) {
    this.whyNot = why
    this.#drop()
    this.hooks.onLost(why)
    const longest = this.patient ? MAX_PATIENT_RETRY_MS : MAX_RETRY_MS
    this.#retryAt = performance.now() + Math.min(longest, FIRST_RETRY_MS * 2 ** this.#failures++)
    this.#enter('waiting')
  }

  #drop() {
    this.viewing?.close()
    this.viewing = null
  }

  /** @param {VideoFrameCallbackMetadata} metadata */
  #shown(metadata) {
    if (!this.viewing?.stream || this.video.srcObject !== this.viewing.stream) return
    this.frames++
    this.#progress()
    this.hooks.onPicture(metadata)
  }

  #progress() {
    if (!this.viewing) return
    this.#frameAt = performance.now()
    if (this.phase === 'playing') return
    this.firstFrameMs ??= this.#frameAt - this.#requestedAt
    this.#failures = 0
    this.whyNot = ''
    this.#enter('playing')
  }

  #watch() {
    const now = performance.now()
    if (now >= this.#retryAt) this.request()
    if (this.phase === 'paused' || (!this.viewing && this.phase !== 'asking')) return
    const quiet = now - Math.max(this.#frameAt, this.#requestedAt, this.viewing?.offeredAt ?? 0)
    if (this.phase === 'playing' && quiet > STALLED_MS) this.#enter('stalled')
    if (quiet > this.#timeout(now) && this.robotOnline) {
      const why = this.viewing?.whyNot ?? 'the robot made no offer'
      if (this.patient) return this.#fail(why)
      this.whyNot = why
      this.hooks.onLost(why)
      this.#failures++
      this.request()
    }
  }

  /** @param {number} now */
  #timeout(now) {
    if (!this.viewing?.offeredAt) return OFFER_MS[Math.min(this.#failures, OFFER_MS.length - 1)] ?? 0
    if (now - this.#packetAt < RECENT_PACKET_MS) return NO_FRAME_MS
    return this.#frameAt > this.#requestedAt ? NO_PACKET_MS : CONNECT_MS
  }

  /** @param {Phase} phase */
  #enter(phase) {
    if (phase === this.phase || !HAS_WEBRTC) return
    this.phase = phase
    this.hooks.onPhase(phase)
  }
}
