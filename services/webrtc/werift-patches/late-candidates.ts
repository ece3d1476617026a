import type { Connection } from 'werift'

/** What is private in werift's ICE connection. */
interface Insides {
  protocols: unknown[]
  pairLocalProtocol(protocol: unknown): void
}

/**
 * Pairs each of our candidates with those of the viewer's that are known already. werift 0.25.2 (ice.js,
 * `getCandidatePromises`) does so for host candidates only: a TURN candidate that is gathered after the answer has been
 * applied would meet none but the viewer's candidates that arrive later still, and a relay-only connection never come up.
 * RFC 8838 §11 wants it paired. So the answer need not wait for our TURN server, which may be slow or dead.
 */
export function pairLateCandidates(connection: Connection): void {
  connection.onIceCandidate.subscribe(() => {
    const { protocols } = connection as unknown as Insides
    for (const protocol of protocols) (connection as unknown as Insides).pairLocalProtocol(protocol)
  })
}
