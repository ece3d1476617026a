/** How an attempt to connect, or a connection, ended. */
export interface Disconnect {
  /** HTTP status of a refused upgrade, else the WebSocket close code, else null (no route, DNS, TLS). */
  code: number | null
  reason: string
  /** From the opening of the socket to its end, ms; 0 when it never opened. */
  openFor: number
  /** From the first inbound frame to the end, ms; 0 when none arrived. */
  usefulFor: number
  /** The relay may have accepted the upgrade: the socket opened, or the request was sent and never answered. */
  mayBeOpen: boolean
  /** The relay may still hold this connection: it ended without a close frame from the relay. */
  unclean: boolean
  /** `Retry-After` of a refused upgrade, ms (RFC 9110 §10.2.3). */
  retryAfter?: number | undefined
  /** The dial failed: no name, no route, no open port. */
  unreachable: boolean
}

/** How to react to a disconnect; see docs/relay-protocol.md, close codes and retries. */
export type Reaction =
  | 'refused'
  | 'doubtful'
  | 'wrong-url'
  | 'duplicate'
  | 'superseded'
  | 'at-once'
  | 'soon'
  | 'backoff'

/** A normal close this soon after opening suggests a second client with the same identity. */
const DUPLICATE_WITHIN_MS = 60_000

/** After this long the credentials are known to be good. */
const ACCEPTED_AFTER_MS = 5_000

/** The reaction to a single disconnect; three quick normal closes in a row mean a duplicate identity. */
export function reactionTo(disconnect: Disconnect): Reaction {
  switch (disconnect.code) {
    case 401:
    case 403:
    case 4000:
      return 'refused'
    case 4001:
      // older relays close a superseded client with 4001
      return disconnect.usefulFor > ACCEPTED_AFTER_MS ? 'doubtful' : 'refused'
    case 404:
      return 'wrong-url'
    case 4002:
      return 'at-once'
    case 4003:
      return 'superseded'
    case 1001:
    case 1012:
      return 'soon'
    case 1000:
      return disconnect.openFor < DUPLICATE_WITHIN_MS ? 'duplicate' : 'backoff'
    default:
      return 'backoff'
  }
}
