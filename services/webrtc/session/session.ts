import type { Bus } from '#bus/bus.ts'
import type { SessionSummary } from '#bus/messages.ts'
import type { Logger } from '#lib/logger.ts'
import type { EventCounter } from '#lib/metrics/event-counter.ts'
import type { Commands, Controls } from '../control/commands.ts'
import type { WebrtcMetrics } from '../metrics.ts'
import { answeredCodec } from '../peer/codecs.ts'
import { Peer } from '../peer/peer.ts'
import type { PeerOptions } from '../peer/peer-config.ts'
import type { AudioSink, Silence } from '../rtp/silent-audio.ts'
import type { Mode } from '../video/layer-choice.ts'
import type { VideoLayers } from '../video/video-layers.ts'
import type { Quality } from '../video/video-quality.ts'
import { ViewerVideo } from '../video/viewer-video.ts'
import { REASON } from './close-reasons.ts'
import { createLiveness, type Liveness } from './liveness.ts'
import { OurCandidates } from './local-candidates.ts'
import { type RemoteCandidate, RemoteCandidates } from './remote-candidates.ts'
import { Restarts } from './restarts.ts'
import { createStory, type Story } from './session-log.ts'
import { createMeter, describePath } from './session-summary.ts'
import { createMail, type SessionMail } from './signaling-publisher.ts'
import { createDeadlines, type Timings } from './timings.ts'

/** What every session shares. */
export interface SessionDeps {
  bus: Bus
  log: Logger
  tally: EventCounter
  metrics: WebrtcMetrics
  layers: VideoLayers
  silence: Silence
  commands: Commands
  timings: Timings
  quality: Quality
  /** State, way or figures changed. */
  changed: () => void
  ended: (session: Session) => void
}

/**
 * One viewer, from its request to its end: new → offered → answered → connected → closed. Whoever holds a session holds
 * this instance; ids are used again (API_CONTRACT 3.5).
 */
export class Session implements AudioSink {
  readonly id: string
  state: SessionSummary['state'] = 'new'
  readonly #deps: SessionDeps
  readonly #log: Logger
  readonly #story: Story
  readonly #mail: SessionMail
  readonly #peer: Peer
  readonly #controls: Controls
  readonly #ours: OurCandidates
  readonly #theirs: RemoteCandidates
  readonly #restarts: Restarts
  readonly #deadlines = createDeadlines()
  readonly #meter = createMeter()
  readonly #since = Date.now()
  #video: ViewerVideo | undefined
  #listening: Disposable | undefined
  #offer: string | undefined
  #answered = false
  #silent = false
  #liveness: Liveness | undefined
  #closing: Promise<void> | undefined

  /** Throws when the peer cannot be made. */
  constructor(id: string, peer: PeerOptions, deps: SessionDeps) {
    this.id = id
    this.#deps = deps
    this.#log = deps.log.child({ session_id: id })
    this.#story = createStory(this.#log, deps.metrics)
    this.#mail = createMail(deps.bus, this.#log, id)
    this.#ours = new OurCandidates(this.#mail)
    this.#controls = deps.commands.join(id)
    this.#peer = new Peer(peer, {
      candidate: (candidate) => this.#ours.add(candidate),
      connected: () => this.#connected(),
      failed: () => this.close(REASON.iceFailed),
      keyframeWanted: () => {
        deps.metrics.keyframeWanted()
        this.#video?.keyframeWanted()
      },
      channel: this.#controls.channel,
    })
    this.#theirs = new RemoteCandidates(this.#peer)
    this.#restarts = new Restarts({
      ...{ peer: this.#peer, mail: this.#mail, log: this.#log, ours: this.#ours, theirs: this.#theirs },
      over: () => this.#over,
      pause: deps.timings.silence + deps.timings.grace,
    })
  }

  /** Sends the offer. Never rejects: what goes wrong ends the session. */
  async start(): Promise<void> {
    try {
      const sdp = await this.#peer.offer()
      if (this.#over) return // closed while the offer was made: nothing is sent
      this.#offer = sdp
      this.#enter('offered', { candidates: sdp.match(/^a=candidate:/gm)?.length ?? 0 })
      this.#mail.offer(sdp)
      this.#ours.follow(sdp)
    } catch (err) {
      return this.close(REASON.offerFailed, { err })
    }
    const { resend, answer } = this.#deps.timings
    for (const after of resend) this.#deadlines.set(`resend ${after}`, after, () => this.#resendOffer())
    this.#deadlines.set('answer', answer, () => this.close(REASON.answerTimeout))
  }

  /** Applies the answer; one that comes twice, or to nothing, is left alone. Never rejects. */
  async answer(sdp: string): Promise<void> {
    if (this.#restarts.pending) return this.#restarts.answer(sdp)
    if (this.state !== 'offered' || this.#answered) return
    this.#answered = true
    this.#deadlines.clear('answer')
    this.#enter('answered')
    const { layers, metrics, quality, tally, timings } = this.#deps
    const changed = () => {
      this.#tellQuality()
      this.#deps.changed()
    }
    this.#deadlines.set('connect', timings.connect, () => this.close(REASON.connectTimeout))
    // the encoder starts now, so that it is warm when the viewer is connected
    const firstSent = () => this.#story.tell('first picture sent')
    const codec = answeredCodec(sdp) ?? 'h264'
    this.#video = new ViewerVideo({
      ...{ peer: this.#peer, layers, codec, quality, tally, firstSent, changed },
      sent: metrics.sent,
    })
    try {
      await this.#gathered(timings.hold)
      if (this.#over) return
      await this.#peer.accept(sdp)
      this.#theirs.release()
    } catch (err) {
      this.close(REASON.badAnswer, { err })
    }
  }

  /** A candidate of the viewer's, at any time and of any shape; what is of no use is dropped. */
  candidate(given: RemoteCandidate | null): void {
    if (!this.#over && given) this.#theirs.add(given)
  }

  audio(payload: Buffer, timestamp: number, capturedAt: number): void {
    this.#peer.audio.send({ payload, timestamp, marker: true, at: capturedAt })
  }

  /** This machine's addresses are others now: a way that began at one that is gone, or is silent, is replaced. */
  moved(addresses: readonly string[]): void {
    if (this.state !== 'connected' || addresses.length === 0) return
    if (this.#silent || !this.#peer.standsOn(addresses)) void this.#restarts.offer('network changed')
  }

  /** Pins a layer of the video, or lets the way decide. */
  setMode(mode: Mode): void {
    this.#video?.setMode(mode)
  }

  /** What `webrtc/sessions` shows. */
  summary(): SessionSummary {
    return {
      session_id: this.id,
      state: this.state,
      since: this.#since,
      layer: this.#video?.layer ?? null,
      ...this.#meter.measure(this.#peer),
    }
  }

  /** Every ending goes through here; the first reason counts. Media stops at once. */
  close(reason: string, { by = 'robot', err }: { by?: 'viewer' | 'robot'; err?: unknown } = {}): void {
    if (this.#over) return
    const from = this.state
    const { path } = this.#peer
    const { packets, octets: bytes } = this.#peer.video
    this.state = 'closed'
    this.#deadlines[Symbol.dispose]()
    this.#controls.driver.leave()
    this.#listening?.[Symbol.dispose]()
    this.#video?.[Symbol.dispose]()
    this.#closing = this.#peer.close()
    this.#story.ended({ reason, by, from, path, packets, bytes, err })
    this.#mail.closed(reason, by)
    this.#deps.ended(this)
  }

  /** Resolves when a closed session has let go of its sockets. */
  async released(): Promise<void> {
    await this.#closing
  }

  #enter(state: SessionSummary['state'], fields: object = {}): void {
    this.state = state
    this.#story.tell(`session ${state}`, fields)
    this.#deps.changed()
  }

  get #over(): boolean {
    return this.state === 'closed'
  }

  #resendOffer(): void {
    if (this.#answered || this.#theirs.count > 0) return
    this.#story.tell('no answer yet, offer sent again')
    this.#mail.offer(this.#offer ?? '')
  }

  #connected(): void {
    this.#deadlines.clear('connect')
    const { path } = this.#peer
    this.#enter('connected', path ? { path: describePath(path) } : {})
    this.#controls.driver.connected()
    this.#video?.start()
    this.#deadlines.every('quality', this.#deps.timings.quality, () => this.#tellQuality())
    this.#listening = this.#deps.silence.listen(this)
    this.#liveness = createLiveness(this.#deps.timings)
    this.#deadlines.every('watch', this.#deps.timings.watch, () => this.#watch())
  }

  #watch(): void {
    this.#peer.video.sendReport().catch((err: unknown) => this.#log.warn({ err }, 'report not sent'))
    const turn = this.#liveness?.check(this.#peer.countHeard())
    if (turn === 'lost') this.close(REASON.connectionLost)
    else if (turn) this.#heard(turn)
  }

  #tellQuality(): void {
    if (this.state !== 'connected' || !this.#video) return
    this.#peer.control.send(JSON.stringify({ type: 'video_quality', ...this.#video.videoQuality() }))
  }

  #heard(turn: 'silent' | 'back'): void {
    this.#silent = turn === 'silent'
    this.#story.tell(this.#silent ? 'viewer not heard' : 'viewer heard again')
    if (!this.#silent) return
    this.#controls.driver.halt()
    this.#restarts.silent()
  }

  /** Resolves when our candidates are complete, so that all of them take part from the first check on, or after `budget` ms. */
  async #gathered(budget: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<unknown>()
    this.#deadlines.set('hold', budget, () => resolve(undefined))
    await Promise.race([this.#peer.gathered, promise])
    this.#deadlines.clear('hold')
  }
}
