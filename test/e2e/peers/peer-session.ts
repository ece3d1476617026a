import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { endProcess } from '#dev/harness/end-process.ts'
import { freePorts } from '#dev/harness/ports.ts'
import { until } from '#dev/harness/until.ts'
import { PROJECT_ROOT } from '#lib/version.ts'
import { parseAnswer } from '#services/webrtc/peer/answer.ts'
import { openApp } from '#test/helpers/app.ts'
import type { Reported, Told } from './peer-child.ts'
import { startRtpDecoder } from './rtp-decoder.ts'

/** A WebRTC implementation other than the robot's, in a process of its own. */
export interface PeerProgram {
  name: string
  command: readonly [program: string, ...args: string[]]
  /** It has no decoder: FFmpeg decodes the RTP packets that it forwards. */
  forwards?: boolean
  /** It fails at an offer of new ICE credentials, so its app drops these. */
  ignoresRestarts?: boolean
}

/** Whose candidates reach the other side; the peer-reflexive ones are found all the same. */
export type CandidatesOf = 'both' | 'robot' | 'peer'

/** An app that watches the robot through the local relay. */
export interface PeerSession extends AsyncDisposable {
  readonly sessionId: string
  readonly frames: readonly Reported[]
  readonly messages: readonly string[]
  readonly states: readonly string[]
  /** Number of offers received: more than one after an ICE restart. */
  readonly offers: number
  /** From the request to the first decoded frame, ms. */
  readonly firstFrameMs: number
  /** Longest interval between two decoded frames, or since the last one, that ended after the last call; ms. */
  longestGap(): number
  /** Waits for this many more decoded frames. */
  more(count: number, within?: number): Promise<void>
  /** Freezes the process for `ms`, as a phone does with an app in the background. */
  freeze(ms: number): Promise<void>
  /** Leaves; resolves to the exit code of the process. */
  leave(): Promise<number | null>
}

const CANDIDATES = /^a=(candidate:.*|end-of-candidates)\r?\n/gm

export async function startPeerSession(
  relayPort: number,
  { command: [program, ...args], forwards, ignoresRestarts }: PeerProgram,
  candidatesOf: CandidatesOf = 'both',
): Promise<PeerSession> {
  const stack = new AsyncDisposableStack()
  const child = spawn(program, args, { cwd: PROJECT_ROOT, stdio: ['pipe', 'pipe', 'inherit'] })
  stack.defer(() => endProcess(child))
  child.stdin.on('error', () => undefined) // it has exited
  const tell = (told: Told) => child.stdin.write(`${JSON.stringify(told)}\n`)
  const hidden = (owner: 'robot' | 'peer') => candidatesOf !== 'both' && candidatesOf !== owner
  const strip = (owner: 'robot' | 'peer', sdp: string) =>
    hidden(owner) ? sdp.replaceAll(CANDIDATES, '') : sdp
  const frames: Reported[] = []
  const messages: string[] = []
  const states: string[] = []
  let sessionId = ''
  let offers = 0
  let origin = ''
  let firstFrameAt = 0
  let lastFrameAt = 0
  let longestGap = 0
  const endGap = () => {
    const now = performance.now()
    longestGap = Math.max(longestGap, now - (lastFrameAt || now))
    return now
  }
  const addFrame = (frame: Reported) => {
    lastFrameAt = endGap()
    firstFrameAt ||= lastFrameAt
    frames.push(frame)
  }

  const offered = (sdp: string) => {
    const [line = ''] = /^o=.*$/m.exec(sdp) ?? []
    // repeated until it is answered (docs/relay-protocol.md)
    if (line === origin || (offers > 0 && ignoresRestarts)) return
    origin = line
    offers++
    tell({ sdp: { type: 'offer', sdp: strip('robot', sdp) } })
  }
  const app = await openApp(relayPort, ({ type, session_id, sdp, candidate }) => {
    if (type === 'webrtc_credentials') sessionId = String(session_id)
    if (type === 'webrtc_offer') offered(typeof sdp === 'string' ? sdp : (sdp as { sdp: string }).sdp)
    if (type === 'webrtc_ice' && !hidden('robot')) tell({ candidate: candidate as never })
  })
  stack.use(app)

  const decode = async (sdp: string) => {
    const { video } = parseAnswer(sdp)
    const [port = 0] = await freePorts(1)
    if (!video) throw new Error('the answer selects no codec')
    stack.use(startRtpDecoder(video, port, addFrame))
    tell({ forward: { port, payloadType: video.payloadType } })
    // FFmpeg may start after the first keyframe
    const asking = setInterval(() => frames.length === 0 && tell({ keyframe: true }), 500)
    stack.defer(() => clearInterval(asking))
  }
  const answered = async ({ type, sdp }: NonNullable<Reported['sdp']>) => {
    if (forwards && offers === 1) await decode(sdp)
    app.send({ type: 'webrtc_answer', session_id: sessionId, sdp: { type, sdp: strip('peer', sdp) } })
  }
  const handle = async ({ sdp, candidate, state, message, ...frame }: Reported) => {
    if (sdp) await answered(sdp)
    if (candidate && !hidden('peer')) app.send({ type: 'webrtc_ice', session_id: sessionId, candidate })
    if (state) states.push(state)
    if (message) messages.push(message)
    if (frame.frame) addFrame(frame)
  }
  let handled = Promise.resolve()
  createInterface(child.stdout).on('line', (line) => {
    handled = handled.then(() => handle(JSON.parse(line)))
  })
  await until(() => states.includes('ready'), { deadline: 20_000, every: 20 })
  const start = performance.now()
  app.send({ type: 'webrtc_request' })

  return {
    frames,
    messages,
    states,
    get sessionId() {
      return sessionId
    },
    get offers() {
      return offers
    },
    get firstFrameMs() {
      return firstFrameAt - start
    },
    longestGap() {
      endGap()
      const longest = longestGap
      longestGap = 0
      return longest
    },
    async more(count, within = 30_000) {
      const wanted = frames.length + count
      const show = () => ({ frames: frames.length, wanted, states, messages })
      await until(() => frames.length >= wanted, { deadline: within, show })
    },
    async freeze(ms) {
      child.kill('SIGSTOP')
      await new Promise((resolve) => setTimeout(resolve, ms))
      child.kill('SIGCONT')
    },
    async leave() {
      app.send({ type: 'webrtc_close', session_id: sessionId, reason: 'client_closing' })
      tell({ close: true })
      if (child.exitCode === null) await once(child, 'exit', { signal: AbortSignal.timeout(10_000) })
      return child.exitCode
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
}
