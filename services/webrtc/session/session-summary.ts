import type { SessionSummary } from '#bus/messages.ts'
import { describePair, type SelectedPair } from '../ice/selected-pair.ts'
import type { Peer } from '../peer/peer.ts'

/** WAN when either candidate is a relay, else LAN; null without a selected pair. docs/relay-protocol.md. */
function connectionType(pair: SelectedPair | undefined): SessionSummary['connection_type'] {
  if (!pair) return null
  return pair.local.type === 'relay' || pair.remote.type === 'relay' ? 'WAN' : 'LAN'
}

const BITRATE_WINDOW_MS = 1_000

/** Measures one peer for `webrtc/sessions`. */
export function createPeerMeter() {
  let last = { octets: 0, at: performance.now() }
  let bitrate = 0
  return {
    /** Bitrate in bit/s since the previous call; calls within a second return the same value. */
    measure(peer: Peer) {
      const now = performance.now()
      const { octets, received, codec } = peer.video
      if (now - last.at >= BITRATE_WINDOW_MS) {
        bitrate = Math.round(((octets - last.octets) * 8_000) / (now - last.at))
        last = { octets, at: now }
      }
      const pair = peer.selectedPair
      return {
        codec: codec ?? null,
        bitrate,
        rtt_ms: round(received?.rtt ?? pair?.rtt),
        loss: received?.loss ?? null,
        candidate_pair: pair ? describePair(pair) : null,
        protocol: pair?.protocol ?? null,
        connection_type: connectionType(pair),
      }
    },
  }
}

function round(ms: number | undefined): number | null {
  return ms === undefined ? null : Math.round(ms * 10) / 10
}
