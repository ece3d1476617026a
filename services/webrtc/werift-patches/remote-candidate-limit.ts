import type { Connection } from 'werift'

/** Remote candidates of one session: those that were signaled (64 at most) and peer-reflexive ones. */
const MAX_REMOTE_CANDIDATES = 128

/** Private members of werift's ICE connection. */
interface Internals {
  remoteCandidates: readonly { host: string; port: number }[]
  checkIncoming(message: unknown, address: readonly [string, number], protocol: unknown): void
}

/**
 * Ignores connectivity checks from further addresses. werift 0.25.2 (ice.js, `checkIncoming`) adds a candidate and a pair
 * for each source address, without a limit.
 */
export function limitRemoteCandidates(connection: Connection): void {
  const internals = connection as unknown as Internals
  const checkIncoming = internals.checkIncoming.bind(connection)
  internals.checkIncoming = (message, address, protocol) => {
    const { remoteCandidates } = internals
    const [host, port] = address
    const known = remoteCandidates.some((one) => one.host === host && one.port === port)
    if (known || remoteCandidates.length < MAX_REMOTE_CANDIDATES) checkIncoming(message, address, protocol)
  }
}
