/**
 * One viewer's WebRTC connection. Of this service only the rooms `peer/`, `ice/`, `rtp/` and `werift-patches/` import
 * werift (test/webrtc/werift-patches/imports.test.ts); the others use `Peer`, `Channel` and `RtpSender`.
 */
import {
  type Connection,
  getHostAddresses,
  MediaStream,
  MediaStreamTrack,
  type RTCDtlsTransport,
  RTCPeerConnection,
  type RtcpPacket,
  RtcpRrPacket,
  RtcpSrPacket,
} from 'werift'
import type { VideoCodec } from '#bus/messages.ts'
import { CongestionController } from '../congestion/congestion-controller.ts'
import { parseCandidate, userFragments } from '../ice/candidate.ts'
import {
  gatherFromServers,
  hostCandidatesGathered,
  type IceOptions,
  pairLateCandidates,
} from '../ice/candidate-sources.ts'
import { DatagramLimit } from '../ice/datagram-limit.ts'
import { sendDatagrams } from '../ice/datagram-path.ts'
import { createGathering, type Gathering } from '../ice/gathering.ts'
import { type IceRestart, prepareRestart, readOrigin } from '../ice/ice-restart.ts'
import { type SelectedPair, toSelectedPair } from '../ice/selected-pair.ts'
import { receptionReport, rembBitrate, requestsKeyframe } from '../rtp/rtcp-feedback.ts'
import { RtpReceiver, type VoicePacket } from '../rtp/rtp-receiver.ts'
import { RtpSender } from '../rtp/rtp-sender.ts'
import { markUnordered } from '../werift-patches/dcep.ts'
import { endHandshake, guardDtls } from '../werift-patches/dtls-guard.ts'
import { bufferEarlyDtls } from '../werift-patches/early-dtls.ts'
import { limitRemoteCandidates } from '../werift-patches/remote-candidate-limit.ts'
import { guardSctp, ignoreSctp } from '../werift-patches/sctp-guard.ts'
import { preferCounterMode } from '../werift-patches/srtp-keys.ts'
import { guardStun } from '../werift-patches/stun-guard.ts'
import '../werift-patches/rtcp-guard.ts'
import { TransportFeedback } from '../werift-patches/transport-feedback.ts'
import { createActivityCounter } from './activity-counter.ts'
import type { Answer } from './answer.ts'
import { type Channel, type ChannelEvents, wrapChannel } from './channel.ts'
import { offeredCodecs } from './codecs.ts'

export interface PeerOptions {
  ice: IceOptions
  /** Highest video bitrate, in bit/s. */
  bitrate: number
  /** The codec that is offered first. */
  codec: VideoCodec
  /** Offers to receive audio as well. */
  talk?: boolean
}

export interface LocalCandidate {
  candidate: string
  sdpMid: string | null
  sdpMLineIndex: number | null
}

export interface PeerEvents {
  /** A local candidate, including those that the offer contains. */
  candidate(candidate: LocalCandidate): void
  /** DTLS is connected: media may flow. */
  connected(): void
  failed(): void
  /** The viewer sends more than its session allows. */
  limitExceeded(limit: string): void
  /** PLI or FIR. */
  keyframeRequested(): void
  /** A packet of the viewer's microphone; only with {@link PeerOptions.talk}. */
  voice(packet: VoicePacket): void
  /** Events of `control` and of any channel that the viewer opened. */
  channel: ChannelEvents
}

const CLOSE_TIMEOUT_MS = 1_000
/** Remote candidates used per session. */
export const MAX_CANDIDATES = 64

export class Peer {
  readonly video: RtpSender
  readonly audio: RtpSender
  readonly congestion: CongestionController
  readonly control: Channel
  /** Number of packets received so far; the viewer is alive while it grows. */
  readonly packetsReceived: () => number
  readonly #options: PeerOptions
  readonly #events: PeerEvents
  readonly #pc: RTCPeerConnection
  /** Origin of the last offer. */
  #origin: ReturnType<typeof readOrigin> | undefined
  readonly #gathering: Gathering
  #gathered: Promise<unknown> = Promise.resolve()
  #remoteFragments: string[] = []
  #restart: IceRestart | undefined
  readonly #voice: RtpReceiver | undefined
  /** Local addresses when candidates were last gathered. */
  #addresses: string[] = []
  #closed = false
  #closing: Promise<void> | undefined

  constructor(options: PeerOptions, events: PeerEvents) {
    this.#options = options
    this.#events = events
    this.#pc = new RTCPeerConnection({
      ...offeredCodecs(options.codec),
      bundlePolicy: 'max-bundle',
      // queried by ice/: werift uses one server of each kind, and only falls back from UDP to TCP
      iceServers: [],
      iceTransportPolicy: options.ice.policy,
      icePortRange: options.ice.portRange ?? undefined,
      iceAdditionalHostAddresses: options.ice.additionalHostAddresses,
    })
    this.congestion = new CongestionController(options.bitrate)
    const stream = new MediaStream()
    const track = (kind: 'video' | 'audio') => {
      const direction = kind === 'audio' && options.talk ? 'sendrecv' : 'sendonly'
      const { sender, receiver } = this.#pc.addTransceiver(new MediaStreamTrack({ kind }), {
        direction,
        streams: [stream],
      })
      // packets of viewers go to `#voice` alone
      receiver.stop()
      return new RtpSender({
        sender,
        cname: stream.id,
        congestion: this.congestion,
        // not by way of `dtlsTransports`, which werift collects for each call
        sendDatagrams: (datagrams) => sendDatagrams(connectionOf(sender.dtlsTransport), datagrams),
        // browsers wait 3 s before they ask for a keyframe themselves
        onGivenUp: () => kind === 'video' && this.#events.keyframeRequested(),
      })
    }
    this.video = track('video')
    this.audio = track('audio')
    const payloadType = () => this.audio.payloadType
    if (options.talk) this.#voice = new RtpReceiver(payloadType, (packet) => events.voice(packet))
    const control = this.#pc.createDataChannel('control', { ordered: false, maxRetransmits: 0, protocol: '' })
    markUnordered(this.#pc, control)
    guardSctp(this.#pc, (limit) => this.#limitExceeded(limit))
    this.control = wrapChannel(control, events.channel)
    this.packetsReceived = createActivityCounter(this.#ice)
    const onFlood = () => this.#limitExceeded('datagrams a second')
    this.#gathering = createGathering(new DatagramLimit(onFlood, { talk: options.talk }))
    limitRemoteCandidates(this.#ice)
    guardStun(this.#ice)
    gatherFromServers(this.#ice, options.ice, this.#gathering)
    this.#listen()
  }

  /**
   * Starts gathering, and returns the offer as soon as the host candidates are in it; the others follow by event. Rejects
   * when no connection is possible.
   */
  async offer(): Promise<string> {
    const { ice } = this.#options
    if (ice.policy === 'relay' && ice.iceServers.turn.length === 0) {
      throw new Error('webrtc.ice.policy is relay, and the request names no usable TURN server')
    }
    this.#addresses = getHostAddresses(true, true)
    const bare = await this.#pc.createOffer()
    const hosts = hostCandidatesGathered(this.#ice, ice)
    this.#gathered = this.#gathering.run(() => this.#pc.setLocalDescription(bare)).catch(() => undefined) // closed
    await hosts
    const { sdp } = await this.#pc.createOffer() // the same offer, with candidates
    this.#origin = readOrigin(sdp)
    return sdp
  }

  /** Resolves when the gathering of local candidates is complete. */
  get gathered(): Promise<unknown> {
    return this.#gathered
  }

  /**
   * Applies the answer, which starts the checks; local candidates gathered later still take part in them. Rejects when the
   * answer is unusable.
   */
  async accept({ sdp, candidates, video, hasDataChannel }: Answer): Promise<void> {
    if (!video) throw new Error('the answer accepts none of our video codecs')
    this.#remoteFragments = userFragments(sdp)
    // without end-of-candidates, checks continue until the session's own deadline
    await this.#pc.setRemoteDescription({ type: 'answer', sdp })
    this.video.expectFormat(video)
    if (!hasDataChannel) ignoreSctp(this.#pc)
    for (const line of candidates.slice(0, MAX_CANDIDATES)) this.addCandidate(line, undefined)
  }

  /**
   * Applies the offer of a viewer, as an answer to {@link offer}, which is not sent. Returns that own offer with the candidates
   * gathered by now. Rejects when the viewer's offer is unusable.
   */
  async acceptOffer(asAnswer: Answer): Promise<string> {
    const { sdp } = await this.#pc.createOffer()
    // RFC 8445 §6.1.1: the viewer has made the offer; a viewer with ICE lite leaves the role to us
    this.#ice.iceControlling = false
    await this.accept(asAnswer)
    return sdp
  }

  /** An ICE restart offer; the old candidate pair is kept until the answer arrives. */
  async restartOffer(): Promise<string> {
    const hosts = hostCandidatesGathered(this.#ice, this.#options.ice, this.#addresses)
    this.#addresses = getHostAddresses(true, true)
    // until an offer is answered, the next one is the same with more candidates (RFC 8829 §4.1.8)
    this.#restart ??= prepareRestart(this.#dtls.iceTransport, this.#options.ice.additionalHostAddresses)
    const restart = this.#restart
    this.#gathering.run(() => restart.gather())
    await hosts
    const { sdp } = await this.#pc.createOffer()
    // RFC 8829 §5.2.2
    const { session, version } = this.#origin ?? readOrigin(sdp)
    this.#origin = { session, version: version + 1 }
    return restart.offer(sdp, this.#origin)
  }

  /** Applies the answer to {@link restartOffer}; false when it is about something else. Throws when it is malformed. */
  acceptRestart(sdp: string): boolean {
    if (!this.#restart?.accept(sdp)) return false
    this.#restart = undefined
    this.#remoteFragments = userFragments(sdp)
    for (const [line] of sdp.matchAll(/^a=candidate:.*$/gm).take(MAX_CANDIDATES)) {
      this.addCandidate(line, undefined)
    }
    return true
  }

  /** Whether the selected pair starts at one of these addresses, as far as known. */
  usesOneOf(addresses: readonly string[]): boolean {
    const pair = this.#ice.nominated
    if (!pair) return false
    const { localIp } = pair.protocol as { localIp?: string }
    // a socket to a TURN server is not bound to an address: any missing one may have been its own
    return (localIp ? [localIp] : this.#addresses).every((address) => addresses.includes(address))
  }

  /** Adds a remote candidate if it is usable; only after the answer. */
  addCandidate(text: unknown, usernameFragment: unknown): void {
    const usable = parseCandidate(text, usernameFragment)
    if (!usable || this.#closed) return
    if (usable.ufrag !== undefined && !this.#remoteFragments.includes(usable.ufrag)) return
    // the user fragment identifies the generation; werift would also expect our generation number
    const candidate = usable.candidate.replace(/ generation \d+/, '')
    // all m-lines share the first one's transport (BUNDLE)
    this.#pc.addIceCandidate({ candidate, sdpMid: '0' }).catch(() => undefined) // closed
  }

  get selectedPair(): SelectedPair | undefined {
    const pair = this.#ice.nominated
    return pair && toSelectedPair(pair)
  }

  /** Sends a report about the viewer's microphone, if it has sent anything since the last one. RFC 3550 §6.4.2. */
  async reportReception(): Promise<void> {
    const report = this.#voice?.report()
    if (report) await this.#dtls.sendRtcp([new RtcpRrPacket({ ssrc: this.audio.ssrc, reports: [report] })])
  }

  /** Bytes in our send buffers. */
  get backlog(): number {
    return this.#gathering.backlog()
  }

  /** Stops at once; resolves when sockets and timers are closed, within a second. */
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
    return connectionOf(this.#dtls)
  }

  async #close(): Promise<void> {
    this.#closed = true
    const timeout = AbortSignal.timeout(CLOSE_TIMEOUT_MS)
    const expired = new Promise((resolve) => timeout.addEventListener('abort', resolve, { once: true }))
    for (const transport of this.#pc.dtlsTransports) endHandshake(transport)
    await Promise.race([this.#pc.close().catch(() => undefined), expired]) // closing anyway
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
    preferCounterMode(this.#dtls)
    guardDtls(this.#dtls)
    bufferEarlyDtls(this.#dtls)
    this.#dtls.onStateChange.subscribe((state) => {
      if (this.#closed) return
      if (state === 'connected') this.#events.connected()
      if (state === 'failed') this.#events.failed()
    })
    pc.connectionStateChange.subscribe((state) => {
      if (state === 'failed' && !this.#closed) this.#events.failed()
    })
    this.#dtls.onRtcp.subscribe((packet) => {
      if (!this.#closed) this.#handleRtcp(packet)
    })
    this.#dtls.onRtp.subscribe((packet) => {
      if (!this.#closed) this.#voice?.receive(packet)
    })
    pc.onDataChannel.subscribe((channel) => {
      wrapChannel(channel, this.#events.channel)
    })
  }

  #limitExceeded(limit: string): void {
    if (!this.#closed) this.#events.limitExceeded(limit)
  }

  #handleRtcp(packet: RtcpPacket | TransportFeedback): void {
    const { video, audio, congestion } = this
    if (packet instanceof TransportFeedback) {
      congestion.transportFeedback(packet.arrivals)
      return
    }
    if (packet instanceof RtcpSrPacket) this.#voice?.handleSenderReport(packet)
    if (requestsKeyframe(packet, video.ssrc)) this.#events.keyframeRequested()
    for (const track of [video, audio]) track.handleRtcp(packet)
    const report = receptionReport(packet, video.ssrc)
    if (report) congestion.receiverReport({ loss: report.loss, rtt: video.received?.rtt })
    const remb = rembBitrate(packet)
    if (remb !== undefined) congestion.remb(remb)
  }
}

function connectionOf(transport: RTCDtlsTransport): Connection {
  return transport.iceTransport.connection as Connection
}

/** Makes an offer and discards it, so that the first viewer does not wait for the certificate and for cold code. */
export async function warmUp(): Promise<void> {
  const ignore = () => undefined
  const ice: IceOptions = {
    iceServers: { stun: [], turn: [] },
    policy: 'all',
    portRange: null,
    additionalHostAddresses: [],
    tlsInsecure: false,
  }
  const peer = new Peer(
    { ice, bitrate: 1_500_000, codec: 'h264' },
    {
      candidate: ignore,
      connected: ignore,
      failed: ignore,
      limitExceeded: ignore,
      keyframeRequested: ignore,
      voice: ignore,
      channel: { onText: ignore, onClosed: ignore },
    },
  )
  await peer.offer()
  await peer.close()
}
