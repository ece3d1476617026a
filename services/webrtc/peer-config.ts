import type { PeerConfig } from 'werift'
import { offeredCodecs } from './codecs.ts'
import type { IceServers } from './ice-servers.ts'

export interface PeerOptions {
  iceServers: IceServers
  policy: 'all' | 'relay'
  portRange: [number, number] | null
  additionalHostAddresses: string[]
  /** Accept any certificate of a TURN server. */
  tlsInsecure: boolean
}

/** What werift is told of a peer. */
export function peerConfig(options: PeerOptions): Partial<PeerConfig> {
  return {
    ...offeredCodecs(),
    bundlePolicy: 'max-bundle',
    // STUN and TURN are asked by us: werift takes one server of each, and falls back from UDP to TCP only
    iceServers: [],
    iceTransportPolicy: options.policy,
    icePortRange: options.portRange ?? undefined,
    iceAdditionalHostAddresses: options.additionalHostAddresses,
  }
}
