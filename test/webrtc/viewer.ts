import {
  type MediaStreamTrack,
  type RTCDataChannel,
  RTCPeerConnection,
  RTCRtpCodecParameters,
  type RtpPacket,
  useNACK,
  usePLI,
} from 'werift'
import type { Bus } from '#bus/bus.ts'
import { topics } from '#bus/topics.ts'
import { endHandshake, guardDtls } from '#services/webrtc/werift-patches/dtls-guard.ts'

interface ViewerOptions {
  /** As the relay would give them to the robot. */
  iceServers?: unknown
  /** Never answers. */
  silent?: boolean
  /** The video codecs that it takes. */
  video?: (keyof typeof VIDEO)[]
  /** The only codec that it takes. */
  codec?: 'h264' | 'vp8'
  /** May talk: accepts to send audio. */
  talk?: boolean
  /** Changes the answer on its way. */
  forge?: (sdp: string) => string
}

/** An app: requests video over the bus, answers the offer, and records what arrives. */
export interface Viewer {
  readonly id: string
  readonly pc: RTCPeerConnection
  readonly video: RtpPacket[]
  readonly audio: RtpPacket[]
  /** Stream ids of the tracks that came, by kind. */
  readonly streams: Record<string, string[]>
  readonly channel: Promise<RTCDataChannel>
  readonly connected: Promise<void>
  /** Longest interval between two video packets since the last call, ms. */
  longestGap(): number
  /** Resolves when `enough` holds of what has arrived; rejects after `within` ms. */
  until(enough: (viewer: Viewer) => boolean, within?: number): Promise<void>
  sendPli(): Promise<void>
  /** Ignores signaling from now on. */
  hangUp(): void
  close(): Promise<void>
}

export const VIDEO = {
  h264: new RTCRtpCodecParameters({
    mimeType: 'video/H264',
    clockRate: 90_000,
    payloadType: 102,
    parameters: 'profile-level-id=42e01f;packetization-mode=1;level-asymmetry-allowed=1',
    rtcpFeedback: [useNACK(), usePLI()],
  }),
  vp8: new RTCRtpCodecParameters({
    mimeType: 'video/VP8',
    clockRate: 90_000,
    payloadType: 96,
    rtcpFeedback: [useNACK(), usePLI()],
  }),
}
export const AUDIO = new RTCRtpCodecParameters({
  mimeType: 'audio/opus',
  clockRate: 48_000,
  channels: 2,
  payloadType: 111,
})

/** Lets a viewer answer the next offer for `id`. It is closed after the test. */
export async function openViewer(
  t: { after(close: () => Promise<void>): void },
  bus: Bus,
  id: string,
  options: ViewerOptions = {},
): Promise<Viewer> {
  const pc = new RTCPeerConnection({
    codecs: { video: (options.video ?? ['h264']).map((codec) => VIDEO[codec]), audio: [AUDIO] },
    iceServers: [],
    bundlePolicy: 'max-bundle',
  })
  let hangUp: (() => void) | undefined
  const channel = Promise.withResolvers<RTCDataChannel>()
  const connected = Promise.withResolvers<void>()
  let gap = 0
  let lastPacket: number | undefined
  let wake = Promise.withResolvers<void>()
  const viewer: Viewer = {
    id,
    pc,
    video: [],
    audio: [],
    streams: {},
    channel: channel.promise,
    connected: connected.promise,
    longestGap() {
      const longest = gap
      gap = 0
      return longest
    },
    async until(enough, within = 20_000) {
      const expired = Promise.withResolvers<void>()
      const timer = setTimeout(expired.resolve, within)
      const end = performance.now() + within
      while (!enough(viewer) && performance.now() < end) await Promise.race([wake.promise, expired.promise])
      clearTimeout(timer)
      if (!enough(viewer)) throw new Error(`not so within ${within} ms (${viewer.video.length} packets)`)
    },
    async sendPli() {
      const receiver = pc.getTransceivers().find(({ kind }) => kind === 'video')?.receiver
      const ssrc = viewer.video[0]?.header.ssrc
      if (ssrc !== undefined) await receiver?.sendRtcpPLI(ssrc)
    },
    hangUp: () => hangUp?.(),
    async close() {
      hangUp?.()
      for (const transport of pc.dtlsTransports) endHandshake(transport)
      await pc.close()
    },
  }
  t.after(() => viewer.close())
  pc.ontrack = ({ track, streams }: { track: MediaStreamTrack; streams: { id: string }[] }) => {
    viewer.streams[track.kind] = streams.map((stream) => stream.id)
    track.onReceiveRtp.subscribe((packet) => {
      viewer[track.kind as 'video' | 'audio'].push(packet)
      if (track.kind === 'video') {
        const now = performance.now()
        gap = Math.max(gap, now - (lastPacket ?? now))
        lastPacket = now
      }
      wake.resolve()
      wake = Promise.withResolvers()
    })
  }
  pc.onDataChannel.subscribe((one) => channel.resolve(one))
  pc.connectionStateChange.subscribe((state) => {
    if (state === 'connected') connected.resolve()
  })
  if (!options.silent) hangUp = await signal(bus, viewer, options.forge)
  await bus.publish(topics.request, {
    session_id: id,
    ice_servers: options.iceServers ?? [],
    ...(options.talk ? { talk: true } : {}),
  })
  return viewer
}

/** What the relay sends to the viewers of one bus, by session. */
interface Switchboard {
  offer: Map<string, (sdp: { type: 'offer'; sdp: string }) => Promise<void>>
  candidate: Map<string, (candidate: object) => Promise<void>>
}

const switchboards = new WeakMap<Bus, Promise<Switchboard>>()

async function openSwitchboard(bus: Bus): Promise<Switchboard> {
  const board: Switchboard = { offer: new Map(), candidate: new Map() }
  await bus.subscribe(topics.offer, ({ session_id, sdp }) => board.offer.get(session_id)?.(sdp))
  await bus.subscribe(topics.localCandidate, ({ session_id, candidate }) =>
    board.candidate.get(session_id)?.(candidate),
  )
  return board
}

/** Answers every offer; candidates of both sides go as they come. Returns what ends it. */
async function signal(bus: Bus, { id, pc }: Viewer, forge = (sdp: string) => sdp): Promise<() => void> {
  const opened = switchboards.get(bus) ?? openSwitchboard(bus)
  switchboards.set(bus, opened)
  const board = await opened
  const early: object[] = []
  pc.onIceCandidate.subscribe((candidate) => {
    if (!candidate?.candidate || pc.signalingState === 'closed') return
    const { candidate: line, sdpMid = null, sdpMLineIndex = null } = candidate
    void bus.publish(topics.remoteCandidate, {
      session_id: id,
      candidate: { candidate: line, sdpMid, sdpMLineIndex },
    })
  })
  board.candidate.set(id, async (candidate) => {
    if (pc.remoteDescription) await pc.addIceCandidate(candidate as never)
    else early.push(candidate)
  })
  board.offer.set(id, async (sdp) => {
    const again = pc.remoteDescription !== null
    await pc.setRemoteDescription(sdp)
    // without a server of ours, werift would ask one of Google's
    for (const { connection } of pc.iceTransports) delete connection.stunServer
    // a robot that is slow to begin is sent several ClientHellos, and answers each
    if (!again) pc.dtlsTransports.forEach(guardDtls)
    const answer = await pc.createAnswer()
    const applied = pc.setLocalDescription(answer)
    await bus.publish(topics.answer, { session_id: id, sdp: { type: 'answer', sdp: forge(answer.sdp) } })
    await applied
    // werift 0.25.2 begins no checks for a restart that it answers
    if (again) for (const transport of pc.iceTransports) transport.start().catch(() => undefined)
    for (const candidate of early.splice(0)) await pc.addIceCandidate(candidate as never)
  })
  return () => {
    board.offer.delete(id)
    board.candidate.delete(id)
  }
}
