import { isIP } from 'node:net'

/** A remote candidate in the form that werift takes: `candidate:…`, without `a=`. */
export interface UsableCandidate {
  candidate: string
  /** ICE user fragment that it belongs to, where given. */
  ufrag: string | undefined
}

const TYPES = ['host', 'srflx', 'relay']

/**
 * The candidate if we can use it, else undefined: `''` and null (end of candidates), malformed ones, TCP, host names. A
 * host name is mDNS (`….local`) and is not resolved: the viewer is found as peer-reflexive as soon as its own checks reach
 * us. RFC 8839 §5.1, docs/relay-protocol.md.
 */
export function parseCandidate(text: unknown, usernameFragment?: unknown): UsableCandidate | undefined {
  if (typeof text !== 'string' || text.length > 1000) return undefined
  const line = text.trim().replace(/^a=/, '')
  if (!line.startsWith('candidate:')) return undefined
  const [foundation, component, transport, priority, address, port, typ, type, ...rest] = line.split(/\s+/)
  const usable =
    foundation !== 'candidate:' &&
    component === '1' &&
    transport?.toLowerCase() === 'udp' &&
    isWithin(priority, 0xffffffff) &&
    isIP(address ?? '') !== 0 &&
    isWithin(port, 65_535) &&
    typ === 'typ' &&
    TYPES.includes(type ?? '')
  if (!usable) return undefined
  const named = typeof usernameFragment === 'string' ? usernameFragment : undefined
  return { candidate: line, ufrag: attribute(rest, 'ufrag') ?? named }
}

/** The ICE user fragments of a session description. RFC 8839 §5.4. */
export function userFragments(sdp: string): string[] {
  return Array.from(sdp.matchAll(/^a=ice-ufrag:(\S+)\s*$/gm), ([, ufrag]) => ufrag ?? '')
}

function isWithin(text: string | undefined, max: number): boolean {
  return /^\d{1,10}$/.test(text ?? '') && Number(text) >= 1 && Number(text) <= max
}

function attribute(pairs: string[], name: string): string | undefined {
  const at = pairs.findIndex((key, i) => i % 2 === 0 && key === name)
  return at < 0 ? undefined : pairs[at + 1]
}
