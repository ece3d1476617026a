import { type CandidatePair, StunOverTurnProtocol } from 'werift'

/** The candidate pair that media uses. */
export interface SelectedPair {
  local: { type: string; address: string }
  remote: { type: string; address: string }
  /** How our packets leave: directly, or through a TURN server. */
  protocol: 'udp' | 'turn-udp' | 'turn-tcp' | 'turn-tls'
  /** Milliseconds, from the last check. */
  rtt: number | undefined
}

export function toSelectedPair({
  localCandidate,
  remoteCandidate,
  protocol,
  rtt,
}: CandidatePair): SelectedPair {
  const end = ({ type, host, port }: CandidatePair['localCandidate']) => ({
    type,
    address: `${host}:${port}`,
  })
  return {
    local: end(localCandidate),
    remote: end(remoteCandidate),
    protocol: protocol instanceof StunOverTurnProtocol ? `turn-${transportOf(protocol)}` : 'udp',
    rtt: rtt === undefined ? undefined : rtt * 1000,
  }
}

function transportOf({ turn }: StunOverTurnProtocol): 'udp' | 'tcp' | 'tls' {
  return turn.transport.type as 'udp' | 'tcp' | 'tls' // werift declares a string
}

/** `host 192.168.1.5:4000 > srflx 203.0.113.7:5000` */
export function describePair({ local, remote }: SelectedPair): string {
  return `${local.type} ${local.address} > ${remote.type} ${remote.address}`
}
