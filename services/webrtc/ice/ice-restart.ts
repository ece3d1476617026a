import { randomBytes } from 'node:crypto'
import { type Candidate, type Connection, getHostAddresses, type RTCIceTransport } from 'werift'
import { type Origin, withOrigin } from './sdp-origin.ts'

/** What is private in werift's ICE connection. */
interface Insides {
  protocols: { localCandidate?: Candidate }[]
  localCandidatesStart: boolean
  getCandidatePromises(addresses: string[]): Promise<unknown>[]
}

/** Of a session description: the user fragment and password that ICE checks are signed with. RFC 8839 §5.4. */
interface Credentials {
  ufrag: string
  password: string
}

/** A restart that the viewer has been offered. */
export interface IceRestart {
  /** Begins to gather on addresses that are new, and a new allocation. */
  gather(): void
  /** Makes `sdp`, an offer of what is now, the one that restarts the session of this `origin`. */
  offer(sdp: string, origin: Origin): string
  /** A candidate of ours as it is to be said while the offer is out. */
  rename(candidate: string): string
  /** Begins the checks of the new generation. False when the answer is not about a restart; throws when it is none. */
  accept(sdp: string): boolean
}

/**
 * Prepares an ICE restart (RFC 8445 §2.4) that leaves the old way alone until the answer is there: werift 0.25.2 drops it
 * with the offer, and an app that does not answer would lose a connection which had only hiccuped. DTLS and SRTP go on.
 */
export function prepareRestart(transport: RTCIceTransport, additionalAddresses: string[]): IceRestart {
  const connection = transport.connection as Connection
  const insides = connection as unknown as Insides
  const { ufrag, password } = { ufrag: token(4), password: token(16) }
  connection.userHistory[ufrag] = password // the viewer's first checks may come before its answer
  const rename = (candidate: string) => candidate.replace(/ ufrag \S+/, ` ufrag ${ufrag}`)
  const addresses = () => [...new Set([...additionalAddresses, ...getHostAddresses(true, true)])]
  return {
    gather() {
      const begun = insides.getCandidatePromises(addresses())
      for (const gathered of begun) gathered.catch(() => undefined) // then there is none
    },
    rename,
    offer(sdp, origin) {
      const present = addresses()
      const restarting = sdp
        .replaceAll(/^a=candidate:.*\r\n/gm, (line) => (isGone(line, present) ? '' : rename(line)))
        .replaceAll(/^a=end-of-candidates\r\n/gm, '')
        .replaceAll(/^a=ice-ufrag:.*$/gm, `a=ice-ufrag:${ufrag}`)
        .replaceAll(/^a=ice-pwd:.*$/gm, `a=ice-pwd:${password}`)
      return withOrigin(restarting, origin)
    },
    accept(sdp) {
      const theirs = credentials(sdp)
      if (!theirs) throw new Error('the answer has no ICE credentials')
      if (theirs.ufrag === connection.remoteUsername && theirs.password === connection.remotePassword)
        return false
      void connection.restart() // synchronous, whatever its type says
      Object.assign(connection, { localUsername: ufrag, localPassword: password })
      const candidates = insides.protocols.flatMap(({ localCandidate }) => localCandidate ?? [])
      for (const candidate of candidates) candidate.ufrag = ufrag
      connection.localCandidates = candidates
      insides.localCandidatesStart = true
      connection.setRemoteParams({
        iceLite: false,
        usernameFragment: theirs.ufrag,
        password: theirs.password,
      })
      transport.start().catch(() => undefined) // its state says so
      return true
    },
  }
}

/** A host candidate on an address that this machine has no longer. */
function isGone(line: string, present: string[]): boolean {
  const [, , , , address = '', , , type] = line.trim().split(' ')
  return type === 'host' && !present.includes(address)
}

function credentials(sdp: string): Credentials | undefined {
  const ufrag = /^a=ice-ufrag:(\S+)\s*$/m.exec(sdp)?.[1]
  const password = /^a=ice-pwd:(\S+)\s*$/m.exec(sdp)?.[1]
  return ufrag && password ? { ufrag, password } : undefined
}

/** `bytes` of randomness in characters that ICE allows. */
function token(bytes: number): string {
  return randomBytes(bytes).toString('hex')
}
