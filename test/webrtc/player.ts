import { type MediaStreamTrack, RTCPeerConnection, type RtpPacket } from 'werift'
import type { Bus } from '#bus/bus.ts'
import { topics } from '#bus/topics.ts'
import { until } from '#dev/harness/until.ts'
import { endHandshake } from '#services/webrtc/werift-patches/dtls-guard.ts'
import { AUDIO, VIDEO } from './viewer.ts'

interface Reply {
  sdp?: string
  code?: string
  error?: string
}

/** A WHEP player on werift: it offers, and the robot answers over the bus. */
export interface Player {
  readonly pc: RTCPeerConnection
  readonly video: RtpPacket[]
  /** Its offer with all candidates. */
  readonly offer: string
  readonly connected: Promise<void>
  /** Sends the offer; resolves with the answer, or with the error. */
  request(): Promise<Reply>
  /** Sends a fragment of an ICE restart; the same. */
  restart(fragment: string): Promise<Reply>
}

/** Closed after the test. `channel` offers a data channel as well. */
export async function createPlayer(
  t: { after(close: () => Promise<void>): void },
  bus: Bus,
  session_id: string,
  { codec = 'h264', channel = false }: { codec?: 'h264' | 'vp8'; channel?: boolean } = {},
): Promise<Player> {
  const pc = new RTCPeerConnection({
    codecs: { video: [VIDEO[codec]], audio: [AUDIO] },
    iceServers: [],
    bundlePolicy: 'max-bundle',
  })
  t.after(async () => {
    for (const transport of pc.dtlsTransports) endHandshake(transport)
    await pc.close()
  })
  pc.addTransceiver('video', { direction: 'recvonly' })
  if (channel) pc.createDataChannel('control')
  const video: RtpPacket[] = []
  const connected = Promise.withResolvers<void>()
  pc.ontrack = ({ track }: { track: MediaStreamTrack }) =>
    track.onReceiveRtp.subscribe((packet) => video.push(packet))
  pc.connectionStateChange.subscribe((state) => {
    if (state === 'connected') connected.resolve()
  })
  // without a server of ours, werift would ask one of Google's
  for (const { connection } of pc.iceTransports) delete connection.stunServer
  await pc.setLocalDescription(await pc.createOffer())
  const offer = pc.localDescription?.sdp ?? ''
  const replies: Reply[] = []
  await bus.subscribe(topics.whepAnswer, (answer) => {
    if (answer.session_id === session_id) replies.push({ sdp: answer.sdp.sdp })
  })
  await bus.subscribe(topics.error, ({ session_id: id, code, error }) => {
    if (id === session_id) replies.push({ code, error })
  })
  const reply = () => until(() => replies.shift(), { deadline: 20_000 })
  return {
    pc,
    video,
    offer,
    connected: connected.promise,
    async request() {
      await bus.publish(topics.request, { session_id, ice_servers: [], offer: { type: 'offer', sdp: offer } })
      const answer = await reply()
      if (answer.sdp) await pc.setRemoteDescription({ type: 'answer', sdp: answer.sdp })
      return answer
    },
    async restart(fragment) {
      await bus.publish(topics.whepRestart, { session_id, sdp: { type: 'offer', sdp: fragment } })
      return await reply()
    },
  }
}
