import type { Bus } from '#bus/bus.ts'
import type { SessionSummary, VideoCodec } from '#bus/messages.ts'
import type { Logger } from '#lib/logger.ts'
import type { EventCounter } from '#lib/metrics/event-counter.ts'
import type { AudioFeed } from '../audio/audio-feed.ts'
import type { MicrophoneState } from '../audio/microphone-state.ts'
import type { Talker, TalkLease } from '../audio/talk-lease.ts'
import { sendAudio } from '../audio/viewer-audio.ts'
import { ViewerSound } from '../audio/viewer-sound.ts'
import type { Controls, SessionControl } from '../control/control-channel.ts'
import type { WebrtcMetrics } from '../metrics.ts'
import { type Answer, checkAnswer, parseAnswer } from '../peer/answer.ts'
import { Peer, type PeerOptions } from '../peer/peer.ts'
import { answerTo, asAnswer, restartFragment } from '../peer/viewer-answer.ts'
import { iceCredentials, offersDataChannel, type ViewerOffer } from '../peer/viewer-offer.ts'
import type { Mode } from '../video/rate-control.ts'
import type { VideoLayers } from '../video/video-layers.ts'
import type { VideoQualitySettings } from '../video/video-quality.ts'
import { ViewerVideo } from '../video/viewer-video.ts'
import { LocalCandidates, type ReceivedCandidate, RemoteCandidates } from './candidate-buffers.ts'
import { REASON } from './close-reasons.ts'
import { IceRestarts } from './ice-restarts.ts'
import { createLiveness, type Liveness } from './liveness.ts'
import { SessionLog } from './session-log.ts'
import { createPeerMeter } from './session-summary.ts'
import { createSignalingPublisher, type SignalingPublisher } from './signaling-publisher.ts'
import { createDeadlines, type Timings } from './timings.ts'

/** Shared by all sessions. */
export interface SessionDeps {
  bus: Bus
  log: Logger
  /** Counts discarded frames and messages. */
  discarded: EventCounter
  metrics: WebrtcMetrics
  layers: VideoLayers
  audio: AudioFeed
  microphone: MicrophoneState
  /** Undefined without a speaker. */
  talk: TalkLease | undefined
  controls: Controls
  timings: Timings
  quality: VideoQualitySettings
  /** State, selected pair or statistics changed. */
  onChanged: () => void
  onClosed: (session: Session) => void
}

/**
 * One viewer's session: new → offered → answered → connected → closed. Ids are reused (docs/relay-protocol.md), so other
 * code refers to a session by this instance.
 */
export class Session {
  readonly id: string
  /** It may send no command but stop. */
  readonly watchOnly: boolean
  state: SessionSummary['state'] = 'new'
  readonly #deps: SessionDeps
  readonly #log: Logger
  readonly #sessionLog: SessionLog
  readonly #signaling: SignalingPublisher
  readonly #peer: Peer
  readonly #control: SessionControl
  readonly #sound: ViewerSound
  /** Undefined when this viewer may not talk. */
  readonly #talker: Talker | undefined
  readonly #localCandidates: LocalCandidates
  readonly #remoteCandidates: RemoteCandidates
  readonly #restarts: IceRestarts
  readonly #deadlines = createDeadlines()
  readonly #meter = createPeerMeter()
  readonly #since = Date.now()
  #video: ViewerVideo | undefined
  #offer: string | undefined
  /** Of a viewer that offers itself. */
  #viewerOffer: ViewerOffer | undefined
  #answered = false
  #silent = false
  #liveness: Liveness | undefined
  #closing: Promise<void> | undefined

  /** Throws when the peer connection cannot be created. */
  constructor({ id, watchOnly }: Pick<Session, 'id' | 'watchOnly'>, peer: PeerOptions, deps: SessionDeps) {
    this.id = id
    this.watchOnly = watchOnly
    this.#deps = deps
    this.#log = deps.log.child({ session_id: id })
    this.#sessionLog = new SessionLog(this.#log, deps.metrics)
    this.#signaling = createSignalingPublisher(deps.bus, this.#log, id)
    this.#localCandidates = new LocalCandidates(this.#signaling)
    const tell = (state: object) => void this.#peer.control.send(JSON.stringify(state))
    this.#talker = peer.talk ? deps.talk?.join(tell, this.#log) : undefined
    this.#sound = new ViewerSound({
      microphone: deps.microphone,
      send: () => sendAudio({ peer: this.#peer, feed: deps.audio, discarded: deps.discarded }),
      limitVideoDelay: (ms) => {
        this.#peer.video.maxPlayoutDelay = ms
      },
      tell,
    })
    const sound = (message: Readonly<Record<string, unknown>>) => {
      if (!this.#sound.handle(message)) deps.discarded.count('sound: not understood')
    }
    const onDriver = () => this.sendQuality()
    this.#control = deps.controls.join(id, { watchOnly, onDriver, talk: this.#talker?.handle, sound })
    this.#peer = new Peer(peer, {
      candidate: (candidate) => this.#localCandidates.add(candidate),
      connected: () => this.#connected(),
      failed: () => this.close(REASON.iceFailed),
      limitExceeded: (limit) => {
        this.#log.warn({ limit }, 'viewer exceeds a limit of its session')
        this.close(REASON.limitExceeded)
      },
      keyframeRequested: () => {
        deps.metrics.keyframeRequested()
        this.#video?.requestKeyframe()
      },
      voice: (packet) => this.#talker?.voice(packet),
      channel: this.#control.channel,
    })
    this.#remoteCandidates = new RemoteCandidates(this.#peer)
    this.#restarts = new IceRestarts({
      peer: this.#peer,
      signaling: this.#signaling,
      log: this.#log,
      localCandidates: this.#localCandidates,
      remoteCandidates: this.#remoteCandidates,
      isClosed: () => this.#isClosed,
      minInterval: deps.timings.silence + deps.timings.grace,
    })
  }

  /** Sends the offer. Never rejects: a failure closes the session. */
  async start(): Promise<void> {
    try {
      const sdp = await this.#peer.offer()
      if (this.#isClosed) return // closed while the offer was created
      this.#offer = sdp
      this.#enter('offered', { candidates: sdp.match(/^a=candidate:/gm)?.length ?? 0 })
      this.#signaling.offer(sdp)
      this.#localCandidates.release(sdp)
    } catch (err) {
      return this.close(REASON.offerFailed, { err })
    }
    const { resend, answer } = this.#deps.timings
    for (const after of resend) this.#deadlines.set(`resend ${after}`, after, () => this.#resendOffer())
    this.#deadlines.set('answer', answer, () => this.close(REASON.answerTimeout))
  }

  /**
   * Answers the offer of a viewer, once our candidates are complete: a WHEP player receives none after the answer
   * (RFC 9725 §4.3.2). Never rejects: a failure closes the session.
   */
  async answerOffer(offer: ViewerOffer): Promise<void> {
    const { connect, gather } = this.#deps.timings
    this.#viewerOffer = offer
    try {
      await this.#peer.offer()
      if (this.#isClosed) return
      this.#deadlines.set('connect', connect, () => this.close(REASON.connectTimeout))
      this.#video = this.#openVideo(offer.codec)
      await this.#gathered(gather)
      if (this.#isClosed) return
      const own = await this.#peer.acceptOffer(asAnswer(offer))
      if (this.#isClosed) return
      this.#remoteCandidates.release()
      const sdp = answerTo(offer, own)
      this.#enter('answered', { candidates: sdp.match(/^a=candidate:/gm)?.length ?? 0 })
      this.#signaling.answer(sdp)
    } catch (err) {
      this.close(REASON.offerFailed, { err })
    }
  }

  /** An ICE restart of a viewer that has offered. Never rejects; a failure changes nothing (RFC 9725 §4.3.3). */
  async restart(fragment: string): Promise<void> {
    const offer = this.#viewerOffer
    const isReady = this.state === 'answered' || this.state === 'connected'
    try {
      if (!offer || !isReady || !iceCredentials(fragment)) throw new Error('not a restart of this session')
      const own = await this.#restarts.accept(fragment)
      if (this.#isClosed) return
      if (own === undefined) throw new Error('the credentials are those of the session')
      this.#signaling.answer(restartFragment(offer, own))
    } catch (err) {
      this.#log.info({ err }, 'ICE restart of the viewer refused')
      this.#signaling.refused(
        'bad-offer',
        'the ICE restart cannot be applied: send a new a=ice-ufrag and a=ice-pwd',
      )
    }
  }

  /** Applies the answer; a duplicate or unexpected one is ignored. Never rejects. */
  async answer(sdp: string): Promise<void> {
    if (this.#restarts.pending) return this.#restarts.answer(sdp)
    if (this.state !== 'offered' || this.#answered) return
    this.#answered = true
    this.#deadlines.clear('answer')
    const answer = this.#parse(sdp)
    if (!answer) return
    this.#enter('answered')
    const { timings } = this.#deps
    this.#deadlines.set('connect', timings.connect, () => this.close(REASON.connectTimeout))
    this.#video = this.#openVideo(answer.video?.codec ?? 'h264')
    try {
      await this.#gathered(timings.hold)
      if (this.#isClosed) return
      await this.#peer.accept(answer)
      this.#remoteCandidates.release()
    } catch (err) {
      this.close(REASON.badAnswer, { err })
    }
  }

  /** Subscribes before the viewer is connected, so that the encoder is warm then. */
  #openVideo(codec: VideoCodec): ViewerVideo {
    const { layers, metrics, quality, discarded } = this.#deps
    return new ViewerVideo({
      peer: this.#peer,
      layers,
      codec,
      quality,
      discarded,
      onFirstFrame: () => this.#sessionLog.info('first frame sent'),
      onSent: metrics.frameSent,
      onChanged: () => {
        this.sendQuality()
        this.#deps.onChanged()
      },
    })
  }

  /** Closes the session when the answer is unusable. */
  #parse(sdp: string): Answer | undefined {
    try {
      checkAnswer(sdp)
      return parseAnswer(sdp)
    } catch (err) {
      this.close(REASON.badAnswer, { err })
      return undefined
    }
  }

  /** A remote candidate, at any time and of any shape; an unusable one is dropped. */
  candidate(received: ReceivedCandidate | null): void {
    if (!this.#isClosed && received) this.#remoteCandidates.add(received)
  }

  /** The local addresses changed: restarts ICE when the selected pair used one that is gone, or the viewer is silent. */
  networkChanged(addresses: readonly string[]): void {
    // only the viewer that has offered may restart ICE
    if (this.#viewerOffer || this.state !== 'connected' || addresses.length === 0) return
    if (this.#silent || !this.#peer.usesOneOf(addresses)) void this.#restarts.offer('network changed')
  }

  /** Pins a layer of the video, or follows the path. */
  setMode(mode: Mode): void {
    this.#video?.setMode(mode)
  }

  /** For `webrtc/sessions`. */
  summary(): SessionSummary {
    return {
      session_id: this.id,
      role: this.watchOnly ? 'watch' : 'drive',
      state: this.state,
      since: this.#since,
      layer: this.#video?.layer ?? null,
      ...this.#meter.measure(this.#peer),
    }
  }

  /** The only way to end a session; the first reason counts. Media stops at once. */
  close(reason: string, { by = 'robot', err }: { by?: 'viewer' | 'robot'; err?: unknown } = {}): void {
    if (this.#isClosed) return
    const from = this.state
    const { selectedPair: pair } = this.#peer
    const { packets, octets: bytes } = this.#peer.video
    this.state = 'closed'
    this.#deadlines[Symbol.dispose]()
    this.#control.app.leave()
    this.#video?.[Symbol.dispose]()
    this.#sound[Symbol.dispose]()
    this.#talker?.[Symbol.dispose]()
    this.#closing = this.#peer.close()
    this.#sessionLog.closed({ reason, by, from, pair, packets, bytes, err })
    this.#signaling.closed(reason, by)
    this.#deps.onClosed(this)
  }

  /** Resolves when the sockets of a closed session are closed. */
  async released(): Promise<void> {
    await this.#closing
  }

  #enter(state: 'offered' | 'answered', fields: object = {}): void {
    this.state = state
    this.#sessionLog.info(`session ${state}`, fields)
    this.#deps.onChanged()
  }

  /** Not a viewer that only watches, nor a player without a data channel. */
  get mayDrive(): boolean {
    return !this.watchOnly && this.#hasControl
  }

  get #hasControl(): boolean {
    return !this.#viewerOffer || offersDataChannel(this.#viewerOffer)
  }

  get #isClosed(): boolean {
    return this.state === 'closed'
  }

  #resendOffer(): void {
    if (this.#answered || this.#remoteCandidates.count > 0) return
    this.#sessionLog.info('no answer yet; offer repeated')
    this.#signaling.offer(this.#offer ?? '')
  }

  #connected(): void {
    this.#deadlines.clear('connect')
    this.state = 'connected'
    this.#sessionLog.connected(this.#peer.selectedPair)
    this.#deps.onChanged()
    // a player without a data channel takes no place of the one that drives
    if (this.#hasControl) this.#control.app.connected()
    this.#video?.start()
    this.#sound.start()
    this.#deadlines.every('quality', this.#deps.timings.quality, () => this.sendQuality())
    this.#liveness = createLiveness(this.#deps.timings)
    this.#deadlines.every('watch', this.#deps.timings.watch, () => this.#watch())
    this.#deadlines.every('sender report', this.#deps.timings.senderReport, () => this.#sendReport())
  }

  #sendReport(): void {
    for (const track of [this.#peer.video, this.#peer.audio]) {
      track.sendReport().catch((err: unknown) => this.#log.warn({ err }, 'sender report not sent'))
    }
    this.#peer.reportReception().catch((err: unknown) => this.#log.warn({ err }, 'receiver report not sent'))
  }

  #watch(): void {
    const change = this.#liveness?.check(this.#peer.packetsReceived())
    if (change === 'lost') this.close(REASON.connectionLost)
    else if (change) this.#setSilent(change === 'silent')
  }

  /** Sends `video_quality` while the viewer is connected. */
  sendQuality(): void {
    if (this.state !== 'connected' || !this.#video) return
    const { driving: driver } = this.#control.app
    const quality = this.#video.videoQuality()
    this.#peer.control.send(JSON.stringify({ type: 'video_quality', ...quality, driver }))
    this.#talker?.announce()
    this.#sound.announce()
  }

  #setSilent(silent: boolean): void {
    this.#silent = silent
    this.#sessionLog.info(silent ? 'viewer silent' : 'viewer back')
    if (!silent) return
    this.#control.app.halt()
    if (!this.#viewerOffer) this.#restarts.viewerSilent()
  }

  /** Resolves when our candidates are complete, so that all take part from the first check on, or after `timeout` ms. */
  async #gathered(timeout: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<unknown>()
    this.#deadlines.set('hold', timeout, () => resolve(undefined))
    await Promise.race([this.#peer.gathered, promise])
    this.#deadlines.clear('hold')
  }
}
