import { isIPv4 } from 'node:net'
import {
  Candidate,
  type Connection,
  candidateFoundation,
  candidatePriority,
  StunOverTurnProtocol,
  type StunProtocol,
  serverReflexiveCandidate,
} from 'werift'
import type { PeerOptions } from '../peer/peer-config.ts'
import type { Gathering } from './gathering.ts'
import { allocateRelay } from './relay-candidate.ts'
import { resolveHost } from './resolve-host.ts'

/** A STUN server that has not answered by then is not waited for: milliseconds. */
const STUN_BUDGET = 1_000

/** What is private in werift's ICE connection. */
interface Insides {
  protocols: (StunProtocol | StunOverTurnProtocol)[]
  generation: number
  localUsername: string
  ensureProtocol(protocol: StunOverTurnProtocol): void
  appendLocalCandidate(candidate: Candidate): void
  getCandidatePromises(addresses: string[], timeout?: number): Promise<unknown>[]
}

/**
 * Makes the connection gather from all the servers of `options`: werift 0.25.2 (ice.js, `getCandidatePromises`) asks the
 * first STUN and the first TURN server only. Host candidates stay werift's affair.
 */
export function gatherFromServers(connection: Connection, options: PeerOptions, gathering: Gathering): void {
  const insides = connection as unknown as Insides
  const hosts = insides.getCandidatePromises.bind(connection)
  insides.getCandidatePromises = (addresses, timeout) => {
    // left out of the constructor's options, werift would ask a server of Google's
    delete connection.stunServer
    const relay = addRelay(insides, options, gathering)
    if (options.policy === 'relay') return [relay]
    const own = hosts(addresses, timeout)
    return [...own, addReflexive(insides, own, options), relay]
  }
}

async function addRelay(insides: Insides, options: PeerOptions, gathering: Gathering): Promise<void> {
  if (options.iceServers.turn.length === 0) return
  const turn = await allocateRelay(options.iceServers.turn, options, gathering)
  if (!turn) return
  const protocol = new StunOverTurnProtocol(turn)
  // our own address would give away what the relay hides (RFC 8445 §5.1.1.2 asks for it only for diagnosis)
  const base = options.policy === 'relay' ? (['0.0.0.0', 0] as const) : turn.mappedAddress
  protocol.localCandidate = relayCandidate(turn.relayedAddress, base, insides)
  insides.ensureProtocol(protocol)
  insides.protocols.push(protocol)
  insides.appendLocalCandidate(protocol.localCandidate)
}

function relayCandidate(
  [host, port]: readonly [string, number],
  [baseHost, basePort]: readonly [string, number],
  { generation, localUsername }: Insides,
): Candidate {
  const foundation = candidateFoundation('relay', 'udp', host)
  return new Candidate(
    ...([foundation, 1, 'udp', candidatePriority('relay'), host, port, 'relay'] as const),
    ...([baseHost, basePort, undefined, generation, localUsername] as const),
  )
}

/** Asks all STUN servers from each of our IPv4 sockets; the first answer counts. */
async function addReflexive(
  insides: Insides,
  hosts: Promise<unknown>[],
  options: PeerOptions,
): Promise<void> {
  const servers = options.iceServers.stun
  if (servers.length === 0) return
  const before = new Set(insides.protocols)
  await Promise.allSettled(hosts)
  const fresh = insides.protocols.filter((protocol) => !before.has(protocol) && protocol.type === 'stun')
  const asking = (fresh as StunProtocol[]).map(async (protocol) => {
    if (!isIPv4(protocol.localCandidate?.host ?? '')) return
    const candidate = await firstAnswer(protocol, servers)
    // an address that we have anyway says nothing new (RFC 8445 §5.1.3)
    if (candidate && candidate.host !== protocol.localCandidate?.host) insides.appendLocalCandidate(candidate)
  })
  await Promise.all(asking)
}

async function firstAnswer(
  protocol: StunProtocol,
  servers: PeerOptions['iceServers']['stun'],
): Promise<Candidate | undefined> {
  const { promise, resolve } = Promise.withResolvers<Candidate | undefined>()
  const timer = setTimeout(resolve, STUN_BUDGET)
  const asking = servers.map(async ({ host, port }) => {
    const candidate = await serverReflexiveCandidate(protocol, [await resolveHost(host), port])
    if (candidate) resolve(candidate)
  })
  void Promise.allSettled(asking).then(() => resolve(undefined))
  return await promise.finally(() => clearTimeout(timer))
}
