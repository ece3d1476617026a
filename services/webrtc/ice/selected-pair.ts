import { type CandidatePair, StunOverTurnProtocol } from 'werift'

/** The way that media takes. */
export interface Path {
  local: { type: string; address: string }
  remote: { type: string; address: string }
  /** How our packets leave: straight, or through a TURN server. */
  protocol: 'udp' | 'turn-udp' | 'turn-tcp' | 'turn-tls'
  /** Milliseconds, of the last check. */
  rtt: number | undefined
}

/** The way that this pair of candidates makes. */
export function pathOf({ localCandidate, remoteCandidate, protocol, rtt }: CandidatePair): Path {
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
  return turn.transport.type as 'udp' | 'tcp' | 'tls' // werift calls it a string
}
