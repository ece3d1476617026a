/** How a try to be connected came to its end, whether the socket ever opened or not. */
export interface Ending {
  /** HTTP status of a refused upgrade, else the WebSocket close code, else null (no route, DNS, TLS). */
  code: number | null
  reason: string
  /** From the opening of the socket to its end, ms; 0 when it never opened. */
  openFor: number
  /** From the first inbound frame to the end, ms; 0 when none came. */
  usefulFor: number
  /** The relay may not know that this connection is over: it was given up or lost without a close frame. */
  unclean: boolean
  /** Nothing was there that could be dialled: no name, no route, no open port. */
  unreachable: boolean
}

/** What an ending asks us to do. API_CONTRACT 1.4. */
export type Reaction =
  | 'refused'
  | 'doubtful'
  | 'wrong-url'
  | 'duplicate'
  | 'superseded'
  | 'at-once'
  | 'soon'
  | 'backoff'

/** A normal close this soon after opening hints at a second client with our identity. */
const DUPLICATE_WITHIN = 60_000

/** A link that was of use for so long had been let in. Milliseconds. */
const WORKED = 5_000

/** The reaction to an ending by itself; three quick normal closes in a row are a duplicate identity. */
export function reactionTo(ending: Ending): Reaction {
  switch (ending.code) {
    case 401:
    case 403:
    case 4000:
      return 'refused'
    case 4001:
      // older relays said this to a client whose place another took (API_CONTRACT 6, row 40)
      return ending.usefulFor > WORKED ? 'doubtful' : 'refused'
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
      return ending.openFor < DUPLICATE_WITHIN ? 'duplicate' : 'backoff'
    default:
      return 'backoff'
  }
}
