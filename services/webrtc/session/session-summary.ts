import type { SessionSummary } from '#bus/messages.ts'
import type { Path } from '../ice/selected-pair.ts'
import type { Peer } from '../peer/peer.ts'

/** API_CONTRACT 3.6: a relay on either side makes it WAN, everything else counts as LAN; null before there is a way. */
function connectionType(path: Path | undefined): SessionSummary['connection_type'] {
  if (!path) return null
  return path.local.type === 'relay' || path.remote.type === 'relay' ? 'WAN' : 'LAN'
}

/** `host 192.168.1.5:4000 > srflx 203.0.113.7:5000` */
export function describePath({ local, remote }: Path): string {
  return `${local.type} ${local.address} > ${remote.type} ${remote.address}`
}

/** Measures what a peer sends and how it arrives: what `webrtc/sessions` shows of it. */
export function createMeter() {
  let last = { octets: 0, at: performance.now() }
  let bitrate = 0
  return {
    /** Bit/s since the call before; calls within a second see the same figure. */
    measure(peer: Peer) {
      const now = performance.now()
      const { octets } = peer.video
      if (now - last.at >= 1_000) {
        bitrate = Math.round(((octets - last.octets) * 8_000) / (now - last.at))
        last = { octets, at: now }
      }
      const { path } = peer
      const { received } = peer.video
      return {
        codec: peer.video.codec ?? null,
        bitrate,
        rtt_ms: round(received?.rtt ?? path?.rtt),
        loss: received?.loss ?? null,
        candidate_pair: path ? describePath(path) : null,
        protocol: path?.protocol ?? null,
        connection_type: connectionType(path),
      }
    },
  }
}

function round(ms: number | undefined): number | null {
  return ms === undefined ? null : Math.round(ms * 10) / 10
}
