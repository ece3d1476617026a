const CONTROL_PING_EVERY = 2_000

/**
 * One WebRTC session of this page, from the relay's credentials to its end. The robot offers, we answer.
 */
export class Viewing {
  /** @type {RTCDataChannel | null} */
  channel = null
  /** Round trip on the data channel, ms. */
  controlRtt = /** @type {number | null} */ (null)
  /** @type {RTCIceCandidateInit[]} */
  #early = []
  #timer = 0

  /**
   * @param {string} sessionId
   * @param {any} iceServers a list, or an object that holds one
   * @param {{ send: (frame: object) => void, onStream: (stream: MediaStream) => void, onFailed: (why: string) => void, onMessage: (message: any) => void }} hooks
   */
  constructor(sessionId, iceServers, hooks) {
    this.sessionId = sessionId
    this.hooks = hooks
    const list = Array.isArray(iceServers) ? iceServers : (iceServers?.iceServers ?? [])
    this.pc = new RTCPeerConnection({ iceServers: list })
    this.pc.ontrack = ({ streams: [stream] }) => stream && hooks.onStream(stream)
    this.pc.onicecandidate = ({ candidate }) => {
      if (candidate) this.#send({ type: 'webrtc_ice', candidate: candidate.toJSON() })
    }
    this.pc.onconnectionstatechange = () => {
      if (this.pc.connectionState === 'failed') hooks.onFailed('connection failed')
    }
    this.pc.ondatachannel = ({ channel }) => this.#adopt(channel)
  }

  /** Answers an offer; a later one on the same connection is an ICE restart. @param {RTCSessionDescriptionInit} sdp */
  async offer(sdp) {
    await this.pc.setRemoteDescription(sdp)
    for (const candidate of this.#early.splice(0)) await this.candidate(candidate)
    await this.pc.setLocalDescription()
    this.#send({ type: 'webrtc_answer', sdp: this.pc.localDescription })
  }

  /** @param {RTCIceCandidateInit | null} candidate */
  async candidate(candidate) {
    if (!candidate?.candidate) return
    if (!this.pc.remoteDescription) this.#early.push(candidate)
    else await this.pc.addIceCandidate(candidate).catch(() => {}) // one that this browser cannot use
  }

  close() {
    clearInterval(this.#timer)
    this.pc.onconnectionstatechange = null
    this.pc.close()
  }

  /** @param {RTCDataChannel} channel */
  #adopt(channel) {
    this.channel = channel
    channel.onmessage = ({ data }) => {
      const message = JSON.parse(data)
      if (message.type === 'pong' && message.at) this.controlRtt = performance.now() - message.at
      else this.hooks.onMessage(message)
    }
    this.#timer = setInterval(() => {
      if (channel.readyState === 'open') channel.send(JSON.stringify({ type: 'ping', at: performance.now() }))
    }, CONTROL_PING_EVERY)
  }

  /** @param {object} frame */
  #send(frame) {
    this.hooks.send({ ...frame, session_id: this.sessionId })
  }
}
