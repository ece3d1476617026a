import {
  type Connection,
  getHostAddresses,
  MediaStream,
  MediaStreamTrack,
  type RTCDtlsTransport,
  RTCPeerConnection,
} from 'werift'
import { Link } from '../congestion/congestion-controller.ts'
import { parseCandidate, userFragments } from '../ice/candidate.ts'
import { gatherFromServers } from '../ice/candidate-sources.ts'
import { createGathering } from '../ice/gathering.ts'
import { hostCandidates } from '../ice/host-candidates.ts'
import { type IceRestart, prepareRestart } from '../ice/ice-restart.ts'
import { nextOrigin, type Origin, readOrigin } from '../ice/sdp-origin.ts'
import { type Path, pathOf } from '../ice/selected-pair.ts'
import { wantsKeyframe } from '../rtp/rtcp-in.ts'
import { RtpOut } from '../rtp/rtp-sender.ts'
import { markUnordered } from '../werift-patches/dcep.ts'
import { keepEarlyDtls } from '../werift-patches/early-dtls.ts'
import { pairLateCandidates } from '../werift-patches/late-candidates.ts'
import { guardMessages } from '../werift-patches/sctp-guard.ts'
import { createHeard } from './activity-counter.ts'
import { type Channel, type ChannelEvents, wrapChannel } from './channel.ts'
import { type PeerOptions, peerConfig } from './peer-config.ts'

export interface LocalCandidate {
  candidate: string
  sdpMid: string | null
  sdpMLineIndex: number | null
}

export interface PeerEvents {
  /** One of our candidates; those that the offer holds come as well. */
  candidate(candidate: LocalCandidate): void
  /** DTLS is up: media may flow. */
  connected(): void
  failed(): void
  /** PLI or FIR. */
  keyframeWanted(): void
  /** Of `control`, and of any channel that the viewer made. */
  channel: ChannelEvents
}

const CLOSE_BUDGET = 1_000
/** Candidates of one viewer that are looked at. */
export const MAX_CANDIDATES = 64

/** Our end of one viewer's connection. Only this file and what it imports know werift. */
export class Peer {
  readonly video: RtpOut
  readonly audio: RtpOut
  /** What the way to the viewer carries. */
  readonly link: Link
  readonly control: Channel
  /** Counts everything that has arrived from the viewer: it is alive as long as this grows. */
  readonly countHeard: () => number
  readonly #options: PeerOptions
  readonly #events: PeerEvents
  readonly #pc: RTCPeerConnection
  /** Of the last offer. */
  #origin: Origin | undefined
  readonly #gathering = createGathering()
  #gathered: Promise<unknown> = Promise.resolve()
  #remoteFragments: string[] = []
  #restart: IceRestart | undefined
  /** Our addresses when candidates were last gathered. */
  #addresses: string[] = []
  #closed = false
  #closing: Promise<void> | undefined

  constructor(options: PeerOptions, events: PeerEvents) {
    this.#options = options
    this.#events = events
    this.#pc = new RTCPeerConnection(peerConfig(options))
    this.link = new Link(options.bitrate)
    const stream = new MediaStream()
    const send = (kind: 'video' | 'audio') =>
      this.#pc.addTransceiver(new MediaStreamTrack({ kind }), { direction: 'sendonly', streams: [stream] })
        .sender
    this.video = new RtpOut(send('video'), stream.id, this.link)
    this.audio = new RtpOut(send('audio'), stream.id, this.link)
    const control = this.#pc.createDataChannel('control', { ordered: false, maxRetransmits: 0, protocol: '' })
    markUnordered(this.#pc, control)
    guardMessages(this.#pc)
    this.control = wrapChannel(control, events.channel)
    this.countHeard = createHeard(this.#ice)
    gatherFromServers(this.#ice, options, this.#gathering)
    this.#listen()
  }

  /**
   * Starts to gather, and returns the offer as soon as the host candidates are in; the others come by event. Rejects when
   * there can be no connection.
   */
  async offer(): Promise<string> {
    if (this.#options.policy === 'relay' && this.#options.iceServers.turn.length === 0) {
      throw new Error('ice.policy is relay, and there is no TURN server that we can use')
    }
    this.#addresses = getHostAddresses(true, true)
    const bare = await this.#pc.createOffer()
    const hosts = hostCandidates(this.#ice, this.#options)
    this.#gathered = this.#gathering.run(() => this.#pc.setLocalDescription(bare)).catch(() => undefined) // closed meanwhile
    await hosts
    const { sdp } = await this.#pc.createOffer() // the same offer, now with candidates
    this.#origin = readOrigin(sdp)
    return sdp
  }

  /** Resolves when all our candidates are known, however many that are. */
  get gathered(): Promise<unknown> {
    return this.#gathered
  }

  /**
   * Applies the answer, which starts the checks; candidates of ours that come later still take part in them. Rejects when
   * the answer is none that we can use.
   */
  async accept(sdp: string): Promise<void> {
    const lines = sdp.split(/\r?\n/)
    const isCandidate = (line: string) => /^a=(candidate:|end-of-candidates)/.test(line)
    // checks go on until the session's own deadline, whatever the viewer thinks that it has sent already
    const bare = lines.filter((line) => !isCandidate(line)).join('\r\n')
    this.#remoteFragments = userFragments(sdp)
    await this.#pc.setRemoteDescription({ type: 'answer', sdp: bare })
    if (!this.video.codec) throw new Error('the answer takes none of our video codecs')
    for (const line of lines.filter(isCandidate).slice(0, MAX_CANDIDATES)) this.addCandidate(line, undefined)
  }

  /** An offer that moves the connection to another way; the old one is kept until the answer is there. */
  async restartOffer(): Promise<string> {
    const hosts = hostCandidates(this.#ice, this.#options, this.#addresses)
    this.#addresses = getHostAddresses(true, true)
    // until the viewer has answered one offer, the next one is the same with more candidates (RFC 8829 §4.1.8)
    this.#restart ??= prepareRestart(this.#dtls.iceTransport, this.#options.additionalHostAddresses)
    const restart = this.#restart
    this.#gathering.run(() => restart.gather())
    await hosts
    const { sdp } = await this.#pc.createOffer()
    this.#origin = nextOrigin(this.#origin ?? readOrigin(sdp))
    return restart.offer(sdp, this.#origin)
  }

  /** Applies the answer to {@link restartOffer}; false when it is about something else. Throws when it is none. */
  acceptRestart(sdp: string): boolean {
    if (!this.#restart?.accept(sdp)) return false
    this.#restart = undefined
    this.#remoteFragments = userFragments(sdp)
    for (const [line] of sdp.matchAll(/^a=candidate:.*$/gm).take(MAX_CANDIDATES)) {
      this.addCandidate(line, undefined)
    }
    return true
  }

  /** Does the way in use begin at one of these addresses, as far as we can know? */
  standsOn(addresses: readonly string[]): boolean {
    const pair = this.#ice.nominated
    if (!pair) return false
    const { localIp } = pair.protocol as { localIp?: string }
    // a socket to a TURN server is bound to no address: any that is gone may have been its own
    return (localIp ? [localIp] : this.#addresses).every((address) => addresses.includes(address))
  }

  /** Adds a candidate of the viewer's, if it is of any use; only after the answer. */
  addCandidate(text: unknown, usernameFragment: unknown): void {
    const usable = parseCandidate(text, usernameFragment)
    if (!usable || this.#closed) return
    if (usable.ufrag !== undefined && !this.#remoteFragments.includes(usable.ufrag)) return
    // the user fragment tells generations apart; werift would also want the viewer to count them as we do
    const candidate = usable.candidate.replace(/ generation \d+/, '')
    // all m-lines share the first one's transport (BUNDLE)
    this.#pc.addIceCandidate({ candidate, sdpMid: '0' }).catch(() => undefined) // closed meanwhile
  }

  get path(): Path | undefined {
    const pair = this.#ice.nominated
    return pair && pathOf(pair)
  }

  /** Bytes that wait in this process for the network. */
  get backlog(): number {
    return this.#gathering.backlog()
  }

  /** Ends everything at once; resolves when sockets and timers are gone, within a second. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  get #dtls(): RTCDtlsTransport {
    const [transport] = this.#pc.dtlsTransports
    if (!transport) throw new Error('no transport')
    return transport
  }

  get #ice(): Connection {
    return this.#dtls.iceTransport.connection as Connection
  }

  async #close(): Promise<void> {
    this.#closed = true
    const budget = AbortSignal.timeout(CLOSE_BUDGET)
    const expired = new Promise((resolve) => budget.addEventListener('abort', resolve, { once: true }))
    await Promise.race([this.#pc.close().catch(() => undefined), expired]) // nothing left to save
    await this.#gathering.close()
  }

  #listen(): void {
    const pc = this.#pc
    pc.onIceCandidate.subscribe((candidate) => {
      if (this.#closed || !candidate?.candidate) return
      const { sdpMid, sdpMLineIndex } = candidate
      this.#events.candidate({
        candidate: this.#restart?.rename(candidate.candidate) ?? candidate.candidate,
        sdpMid: sdpMid ?? null,
        sdpMLineIndex: sdpMLineIndex ?? null,
      })
    })
    pairLateCandidates(this.#ice)
    keepEarlyDtls(this.#dtls)
    this.#dtls.onStateChange.subscribe((state) => {
      if (this.#closed) return
      if (state === 'connected') this.#events.connected()
      if (state === 'failed') this.#events.failed()
    })
    pc.connectionStateChange.subscribe((state) => {
      if (state === 'failed' && !this.#closed) this.#events.failed()
    })
    this.#dtls.onRtcp.subscribe((packet) => {
      if (this.#closed) return
      if (wantsKeyframe(packet, this.video.ssrc)) this.#events.keyframeWanted()
      for (const track of [this.video, this.audio]) track.receive(packet)
      this.link.receive(packet, this.video.ssrc, this.video.received?.rtt)
    })
    pc.onDataChannel.subscribe((channel) => {
      wrapChannel(channel, this.#events.channel)
    })
  }
}
