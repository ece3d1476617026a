import { parse } from './relay-link.js'

const CONTROL_PING_EVERY = 2_000

/** False in a browser without WebRTC, or with WebRTC switched off by a setting, an extension or a policy. */
export const HAS_WEBRTC = typeof globalThis.RTCPeerConnection === 'function'

/**
 * @typedef {object} ViewingHooks
 * @property {(frame: object) => void} send
 * @property {(stream: MediaStream) => void} onStream
 * @property {(why: string) => void} onFailed
 * @property {(message: any) => void} onMessage
 * @property {(open: boolean) => void} onChannel whether the data channel is open
 */

/** One WebRTC session of this page, from the relay's credentials to its close. The robot offers, the page answers. */
export class Viewing {
  /** @type {RTCDataChannel | null} */
  channel = null
  /** @type {MediaStream | null} */
  stream = null
  /** Where the robot takes the sound of a microphone; null when it has no speaker. @type {RTCRtpTransceiver | null} */
  voiceTransceiver = null
  /** Round trip on the data channel, ms. */
  controlRtt = /** @type {number | null} */ (null)
  /** When the offer arrived, 0 before. */
  offeredAt = 0
  /** Identifies the robot's end of this connection in its offers. */
  #origin = ''
  /** Whether this browser has found a UDP address of its own. */
  #hasUdp = false
  #closed = false
  /** @type {RTCIceCandidateInit[]} */
  #early = []
  #timer = 0

  /**
   * @param {string} sessionId
   * @param {any} iceServers a list, or an object that holds one
   * @param {ViewingHooks} hooks
   */
  constructor(sessionId, iceServers, hooks) {
    this.sessionId = sessionId
    this.iceServers = iceServers
    this.hooks = hooks
    const list = Array.isArray(iceServers) ? iceServers : [iceServers?.iceServers ?? []].flat()
    this.pc = new RTCPeerConnection({ iceServers: list })
    this.pc.ontrack = ({ receiver, streams: [stream] }) => {
      // low delay rather than smooth; for audio as well, because video waits for it
      receiver.jitterBufferTarget = 0
      if (stream) this.#show(stream)
    }
    this.pc.onicecandidate = ({ candidate }) => {
      if (candidate?.protocol === 'udp') this.#hasUdp = true
      if (candidate) this.#send({ type: 'webrtc_ice', candidate: candidate.toJSON() })
    }
    this.pc.onconnectionstatechange = () => {
      if (this.pc.connectionState === 'failed') this.#fail(this.whyNot)
    }
    this.pc.ondatachannel = ({ channel }) => this.#adopt(channel)
  }

  /** Whether this offer is for this connection: its first, the same again, or an ICE restart. @param {any} sdp */
  takes(sdp) {
    return this.#origin === '' || this.#origin === originOf(sdp)
  }

  /** Why there is no video over this connection. */
  get whyNot() {
    const { iceConnectionState, connectionState } = this.pc
    if (!this.offeredAt) return 'the robot made no offer'
    if (connectionState === 'connected') return 'no video arrives'
    if (['connected', 'completed'].includes(iceConnectionState)) return 'the encryption was not agreed on'
    if (!this.#hasUdp) return 'this browser may not use UDP'
    return 'no path to the robot, UDP may be blocked'
  }

  /** Answers. @param {RTCSessionDescriptionInit} sdp */
  async offer(sdp) {
    this.offeredAt ||= performance.now()
    this.#origin = originOf(sdp)
    try {
      await this.pc.setRemoteDescription(sdp)
      for (const candidate of this.#early.splice(0)) await this.candidate(candidate)
      this.#acceptVoice()
      await this.pc.setLocalDescription()
      this.#send({ type: 'webrtc_answer', sdp: this.pc.localDescription })
    } catch (err) {
      this.#fail(`unusable offer: ${err instanceof Error ? err.message : err}`)
    }
  }

  /** An offer to receive audio is accepted now, so that a microphone can be added later without another offer. */
  #acceptVoice() {
    const audio = this.pc.getTransceivers().find(({ receiver }) => receiver.track.kind === 'audio')
    const isOffered = /^a=sendrecv\s*$/m.test(audioOf(this.pc.remoteDescription?.sdp ?? ''))
    if (!audio || !isOffered) return
    audio.direction = 'sendrecv'
    this.voiceTransceiver = audio
  }

  /** @param {RTCIceCandidateInit | null} candidate */
  async candidate(candidate) {
    if (!candidate?.candidate) return
    if (!this.pc.remoteDescription) this.#early.push(candidate)
    else await this.pc.addIceCandidate(candidate).catch(() => {}) // one that this browser cannot use
  }

  close() {
    this.#closed = true
    clearInterval(this.#timer)
    this.pc.close()
    this.hooks.onChannel(false)
  }

  /** @param {string} why */
  #fail(why) {
    if (!this.#closed) this.hooks.onFailed(why)
  }

  /** @param {MediaStream} stream */
  #show(stream) {
    if (this.stream === stream) return
    this.stream = stream
    this.hooks.onStream(stream)
  }

  /** @param {RTCDataChannel} channel */
  #adopt(channel) {
    this.channel = channel
    const tell = () => {
      if (this.channel === channel && !this.#closed) this.hooks.onChannel(channel.readyState === 'open')
    }
    channel.onopen = channel.onclosing = channel.onclose = tell
    tell()
    channel.onmessage = ({ data }) => this.#received(parse(data))
    clearInterval(this.#timer)
    this.#timer = setInterval(() => {
      if (channel.readyState === 'open') channel.send(JSON.stringify({ type: 'ping', at: performance.now() }))
    }, CONTROL_PING_EVERY)
  }

  /** @param {any} message */
  #received(message) {
    if (!message) return
    if (message.type === 'pong' && message.at) this.controlRtt = performance.now() - message.at
    else this.hooks.onMessage(message)
  }

  /** @param {object} frame */
  #send(frame) {
    if (!this.#closed) this.hooks.send({ ...frame, session_id: this.sessionId })
  }
}

/** User name and session id of the offer (RFC 8866 §5.2), which stay the same for one connection. @param {any} sdp */
function originOf(sdp) {
  return /^o=(\S+ \S+)/m.exec(sdp?.sdp ?? '')?.[1] ?? 'none'
}

/** The m-line of the audio and its attributes. @param {string} sdp */
function audioOf(sdp) {
  return sdp.split(/^(?=m=)/m).find((section) => section.startsWith('m=audio')) ?? ''
}
