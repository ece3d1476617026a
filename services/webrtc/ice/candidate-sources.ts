import { isIPv4 } from 'node:net'
import {
  Candidate,
  type Connection,
  candidateFoundation,
  candidatePriority,
  getHostAddresses,
  StunOverTurnProtocol,
  type StunProtocol,
  serverReflexiveCandidate,
} from 'werift'
import type { Gathering } from './gathering.ts'
import type { IceServers } from './ice-servers.ts'
import { allocateRelay, type RelayOptions } from './relay-candidate.ts'
import { resolveHost } from './resolve-host.ts'

/** How the local candidates of one session are gathered. */
export interface IceOptions extends RelayOptions {
  iceServers: IceServers
  policy: 'all' | 'relay'
  additionalHostAddresses: string[]
}

/** Longest wait for the answer of a STUN server. */
const STUN_TIMEOUT_MS = 1_000
/** Longest wait for host candidates, which take a millisecond or two. */
const HOST_TIMEOUT_MS = 250

/** Private members of werift's ICE connection. */
interface Internals {
  protocols: (StunProtocol | StunOverTurnProtocol)[]
  generation: number
  localUsername: string
  ensureProtocol(protocol: StunOverTurnProtocol): void
  appendLocalCandidate(candidate: Candidate): void
  getCandidatePromises(addresses: string[], timeout?: number): Promise<unknown>[]
  pairLocalProtocol(protocol: unknown): void
}

/**
 * Makes the connection gather from all servers of `options`: werift 0.25.2 (ice.js, `getCandidatePromises`) queries only
 * the first STUN and the first TURN server. werift still gathers the host candidates.
 */
export function gatherFromServers(connection: Connection, options: IceOptions, gathering: Gathering): void {
  const internals = connection as unknown as Internals
  const hostCandidates = internals.getCandidatePromises.bind(connection)
  internals.getCandidatePromises = (addresses, timeout) => {
    // left out of the constructor's options, werift would query a server of Google
    delete connection.stunServer
    const relay = addRelay(internals, options, gathering)
    if (options.policy === 'relay') return [relay]
    const hosts = hostCandidates(addresses, timeout)
    return [...hosts, addReflexive(internals, hosts, options), relay]
  }
}

/**
 * Pairs each local candidate with the remote candidates that are known already. werift 0.25.2 (ice.js,
 * `getCandidatePromises`) does so for host candidates only: a TURN candidate gathered after the answer would be paired
 * only with remote candidates that arrive later still, and a relay-only connection would never come up (RFC 8838 §11).
 * So the answer need not wait for a slow TURN server.
 */
export function pairLateCandidates(connection: Connection): void {
  const internals = connection as unknown as Internals
  connection.onIceCandidate.subscribe(() => {
    for (const protocol of internals.protocols) internals.pairLocalProtocol(protocol)
  })
}

/**
 * Resolves when every local address that is not in `known` has its host candidate, or after 250 ms. Call it before the
 * gathering starts.
 */
export function hostCandidatesGathered(
  connection: Connection,
  { policy, additionalHostAddresses }: IceOptions,
  known: readonly string[] = [],
): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const addresses = [...getHostAddresses(true, true), ...(known.length > 0 ? [] : additionalHostAddresses)]
  const expected = new Set(addresses.filter((address) => !known.includes(address))).size
  if (policy === 'relay' || expected === 0) return Promise.resolve()
  let found = 0
  const timer = setTimeout(resolve, HOST_TIMEOUT_MS)
  const counting = connection.onIceCandidate.subscribe(({ type }) => {
    if (type === 'host' && ++found >= expected) resolve()
  })
  return promise.finally(() => {
    clearTimeout(timer)
    counting.unSubscribe()
  })
}

async function addRelay(internals: Internals, options: IceOptions, gathering: Gathering): Promise<void> {
  if (options.iceServers.turn.length === 0) return
  const turn = await allocateRelay(options.iceServers.turn, options, gathering)
  if (!turn) return
  const protocol = new StunOverTurnProtocol(turn)
  // our own address would reveal what the relay hides (RFC 8445 §5.1.1.2 asks for it for diagnostics only)
  const base = options.policy === 'relay' ? (['0.0.0.0', 0] as const) : turn.mappedAddress
  protocol.localCandidate = relayCandidate(turn.relayedAddress, base, internals)
  internals.ensureProtocol(protocol)
  internals.protocols.push(protocol)
  internals.appendLocalCandidate(protocol.localCandidate)
}

function relayCandidate(
  [host, port]: readonly [string, number],
  [baseHost, basePort]: readonly [string, number],
  { generation, localUsername }: Internals,
): Candidate {
  const foundation = candidateFoundation('relay', 'udp', host)
  return new Candidate(
    ...([foundation, 1, 'udp', candidatePriority('relay'), host, port, 'relay'] as const),
    ...([baseHost, basePort, undefined, generation, localUsername] as const),
  )
}

/** Queries all STUN servers from each of our IPv4 sockets; the first answer counts. */
async function addReflexive(
  internals: Internals,
  hosts: Promise<unknown>[],
  options: IceOptions,
): Promise<void> {
  if (options.iceServers.stun.length === 0) return
  const before = new Set(internals.protocols)
  await Promise.allSettled(hosts)
  const fresh = internals.protocols.filter((protocol) => !before.has(protocol) && protocol.type === 'stun')
  const queries = (fresh as StunProtocol[]).map(async (protocol) => {
    if (!isIPv4(protocol.localCandidate?.host ?? '')) return
    const candidate = await firstAnswer(protocol, options)
    // the address of a host candidate is redundant (RFC 8445 §5.1.3)
    if (candidate && candidate.host !== protocol.localCandidate?.host)
      internals.appendLocalCandidate(candidate)
  })
  await Promise.all(queries)
}

async function firstAnswer(
  protocol: StunProtocol,
  { iceServers, onLocalServer }: IceOptions,
): Promise<Candidate | undefined> {
  const { promise, resolve } = Promise.withResolvers<Candidate | undefined>()
  const timer = setTimeout(resolve, STUN_TIMEOUT_MS)
  const queries = iceServers.stun.map(async ({ host, port }) => {
    const address = await resolveHost(host, onLocalServer)
    const candidate = await serverReflexiveCandidate(protocol, [address, port])
    if (candidate) resolve(candidate)
  })
  void Promise.allSettled(queries).then(() => resolve(undefined))
  return await promise.finally(() => clearTimeout(timer))
}
