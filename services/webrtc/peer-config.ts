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
  const { stun, turn } = options.iceServers
  return {
    ...offeredCodecs(),
    bundlePolicy: 'max-bundle',
    iceServers: [
      ...(stun ? [{ urls: stun }] : []),
      ...(turn ? [{ urls: turn.url, username: turn.username, credential: turn.credential }] : []),
    ],
    iceTransportPolicy: options.policy,
    icePortRange: options.portRange ?? undefined,
    iceAdditionalHostAddresses: options.additionalHostAddresses,
    iceStunGatherTimeout: 1,
    turnTlsOptions: options.tlsInsecure ? { rejectUnauthorized: false } : {},
  }
}
