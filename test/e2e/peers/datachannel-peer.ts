import { createSocket } from 'node:dgram'
import { PeerConnection, RtcpReceivingSession, type Track } from 'node-datachannel'
import { report, serve } from './peer-child.ts'

/** An app on libdatachannel (node-datachannel), which only answers. It has no decoder, so its packets are forwarded. */
const pc = new PeerConnection('app', { iceServers: [] })
const socket = createSocket('udp4')
/** libdatachannel closes what is no longer referenced. */
const kept: unknown[] = []
let destination: { port: number; payloadType: number } | undefined
let video: Track | undefined

pc.onLocalDescription((sdp, type) => {
  if (type === 'answer') report({ sdp: { type, sdp } })
})
pc.onLocalCandidate((candidate, sdpMid) => report({ candidate: { candidate, sdpMid, sdpMLineIndex: 0 } }))
pc.onStateChange((state) => report({ state }))
pc.onTrack((track) => {
  const session = new RtcpReceivingSession()
  track.setMediaHandler(session)
  kept.push(track, session)
  if (track.type() !== 'video') return
  video = track
  track.onMessage((packet) => {
    const isOurs = destination !== undefined && ((packet[1] ?? 0) & 0x7f) === destination.payloadType
    if (isOurs) socket.send(packet, destination?.port ?? 0, '127.0.0.1')
  })
})
pc.onDataChannel((channel) => {
  kept.push(channel)
  channel.onMessage((message) => report({ message: String(message) }))
  channel.onOpen(() => channel.sendMessage(JSON.stringify({ type: 'ping', n: 7 })))
})

await serve({
  offer: (sdp) => pc.setRemoteDescription(sdp, 'offer'),
  candidate: ({ candidate, sdpMid }) => pc.addRemoteCandidate(candidate, sdpMid),
  forward: (to) => {
    destination = to
  },
  keyframe() {
    if (video?.isOpen()) video.requestKeyframe()
  },
  close: () => pc.close(),
})
