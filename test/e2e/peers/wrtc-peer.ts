import wrtc from '@roamhq/wrtc'
import { report, serve, spread } from './peer-child.ts'

/** Missing in its types. */
interface I420Frame {
  width: number
  height: number
  data: Uint8Array
}

/** An app on libwebrtc in Node (@roamhq/wrtc), which only answers. */
const pc = new wrtc.RTCPeerConnection({ iceServers: [] })
let frames = 0
pc.onicecandidate = ({ candidate }) => {
  if (candidate) report({ candidate: candidate.toJSON() })
}
pc.onconnectionstatechange = () => report({ state: pc.connectionState })
pc.ontrack = ({ track }) => {
  if (track.kind !== 'video') return
  const sink = new wrtc.nonstandard.RTCVideoSink(track)
  sink.onframe = ({ frame: { width, height, data } }: { frame: I420Frame }) => {
    report({ frame: ++frames, width, height, spread: spread(data.subarray(0, width * height)) })
  }
}
pc.ondatachannel = ({ channel }) => {
  channel.onmessage = ({ data }) => report({ message: String(data) })
  channel.onopen = () => channel.send(JSON.stringify({ type: 'ping', n: 7 }))
}

await serve({
  async offer(sdp) {
    await pc.setRemoteDescription({ type: 'offer', sdp })
    await pc.setLocalDescription(await pc.createAnswer())
    report({ sdp: { type: 'answer', sdp: pc.localDescription?.sdp ?? '' } })
  },
  candidate: (candidate) => pc.addIceCandidate(candidate),
  close: () => pc.close(),
})
