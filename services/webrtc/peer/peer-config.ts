import type { PeerConfig } from 'werift'
import type { VideoCodec } from '#bus/messages.ts'
import type { IceServers } from '../ice/ice-servers.ts'
import { offeredCodecs } from './codecs.ts'

export interface PeerOptions {
  iceServers: IceServers
  policy: 'all' | 'relay'
  portRange: [number, number] | null
  additionalHostAddresses: string[]
  /** Accept any certificate of a TURN server. */
  tlsInsecure: boolean
  /** Of the video at its best, bit/s. */
  bitrate: number
  /** The codec that is offered first. */
  codec: VideoCodec
}

/** What werift is told of a peer. */
export function peerConfig(options: PeerOptions): Partial<PeerConfig> {
  return {
    ...offeredCodecs(options.codec),
    bundlePolicy: 'max-bundle',
    // STUN and TURN are asked by us: werift takes one server of each, and falls back from UDP to TCP only
    iceServers: [],
    iceTransportPolicy: options.policy,
    icePortRange: options.portRange ?? undefined,
    iceAdditionalHostAddresses: options.additionalHostAddresses,
  }
}
