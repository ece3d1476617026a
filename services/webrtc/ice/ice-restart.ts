import { randomBytes } from 'node:crypto'
import { type Candidate, type Connection, getHostAddresses, type RTCIceTransport } from 'werift'

/** Origin line of a session description: session (user name and id) and version. RFC 8866 §5.2. */
interface SdpOrigin {
  session: string
  version: number
}

const ORIGIN_LINE = /^o=(\S+ \S+) (\d+)/m

export function readOrigin(sdp: string): SdpOrigin {
  const [, session = '- 0', version = '0'] = ORIGIN_LINE.exec(sdp) ?? []
  return { session, version: Number(version) }
}

/** Private members of werift's ICE connection. */
interface Internals {
  protocols: { localCandidate?: Candidate }[]
  localCandidatesStart: boolean
  getCandidatePromises(addresses: string[]): Promise<unknown>[]
}

/** ICE user fragment and password of a session description. RFC 8839 §5.4. */
interface Credentials {
  ufrag: string
  password: string
}

/** An ICE restart that is being offered. */
export interface IceRestart {
  /** Starts gathering on new addresses, and a new allocation. */
  gather(): void
  /** Turns `sdp`, an offer of the current state, into the restart offer of the session with this origin. */
  offer(sdp: string, origin: SdpOrigin): string
  /** A local candidate with the user fragment of the pending offer. */
  rename(candidate: string): string
  /** Starts the checks of the new generation. False when the answer is not about a restart; throws when it is malformed. */
  accept(sdp: string): boolean
}

/**
 * Prepares an ICE restart (RFC 8445 §2.4) that keeps the old candidate pair until the answer arrives: werift 0.25.2 drops
 * it with the offer, so that an app that does not answer would lose a connection after a short interruption. DTLS and
 * SRTP continue.
 */
export function prepareRestart(transport: RTCIceTransport, additionalAddresses: string[]): IceRestart {
  const connection = transport.connection as Connection
  const internals = connection as unknown as Internals
  const { ufrag, password } = { ufrag: token(4), password: token(16) }
  connection.userHistory[ufrag] = password // the viewer's first checks may precede its answer
  const rename = (candidate: string) => candidate.replace(/ ufrag \S+/, ` ufrag ${ufrag}`)
  const addresses = () => [...new Set([...additionalAddresses, ...getHostAddresses(true, true)])]
  return {
    gather() {
      const gathered = internals.getCandidatePromises(addresses())
      for (const one of gathered) one.catch(() => undefined) // no candidate then
    },
    rename,
    offer(sdp, origin) {
      const present = addresses()
      const restarting = sdp
        .replaceAll(/^a=candidate:.*\r\n/gm, (line) => (isGone(line, present) ? '' : rename(line)))
        .replaceAll(/^a=end-of-candidates\r\n/gm, '')
        .replaceAll(/^a=ice-ufrag:.*$/gm, `a=ice-ufrag:${ufrag}`)
        .replaceAll(/^a=ice-pwd:.*$/gm, `a=ice-pwd:${password}`)
      // werift 0.25.2 gives each offer a session of its own
      return restarting.replace(ORIGIN_LINE, `o=${origin.session} ${origin.version}`)
    },
    accept(sdp) {
      const remote = credentials(sdp)
      if (!remote) throw new Error('the answer has no ICE credentials')
      if (remote.ufrag === connection.remoteUsername && remote.password === connection.remotePassword)
        return false
      void connection.restart() // synchronous, despite its type
      Object.assign(connection, { localUsername: ufrag, localPassword: password })
      const candidates = internals.protocols.flatMap(({ localCandidate }) => localCandidate ?? [])
      for (const candidate of candidates) candidate.ufrag = ufrag
      connection.localCandidates = candidates
      internals.localCandidatesStart = true
      connection.setRemoteParams({
        iceLite: false,
        usernameFragment: remote.ufrag,
        password: remote.password,
      })
      transport.start().catch(() => undefined) // reported by its state
      return true
    },
  }
}

/** Whether this is a host candidate on an address that this machine no longer has. */
function isGone(line: string, present: string[]): boolean {
  const [, , , , address = '', , , type] = line.trim().split(' ')
  return type === 'host' && !present.includes(address)
}

function credentials(sdp: string): Credentials | undefined {
  const ufrag = /^a=ice-ufrag:(\S+)\s*$/m.exec(sdp)?.[1]
  const password = /^a=ice-pwd:(\S+)\s*$/m.exec(sdp)?.[1]
  return ufrag && password ? { ufrag, password } : undefined
}

/** `bytes` random bytes in characters that ICE allows. */
function token(bytes: number): string {
  return randomBytes(bytes).toString('hex')
}
