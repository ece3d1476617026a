/** Candidates in one request. */
const MAX_CANDIDATES = 64
const MAX_LINES = 1_000

/** A candidate as apps send it. */
interface FragmentCandidate {
  candidate: string
  sdpMid: string | null
  sdpMLineIndex: null
  usernameFragment: string | null
}

/** ICE values of a session description, or of a fragment of one. RFC 8840 §9. */
export interface IceFragment {
  /** The first user fragment and password. */
  credentials: { ufrag: string; password: string } | undefined
  candidates: FragmentCandidate[]
}

/** Undefined for a text without any ICE attribute, and when one of user fragment and password is missing. */
export function parseIceFragment(text: string): IceFragment | undefined {
  const lines = text.split(/\r?\n/)
  if (lines.length > MAX_LINES) return undefined
  const ufrag = attribute(lines, 'ice-ufrag')
  const password = attribute(lines, 'ice-pwd')
  if ((ufrag === undefined) !== (password === undefined)) return undefined
  const candidates = candidatesOf(lines, ufrag ?? null)
  const isEnd = lines.some((line) => line.trim() === 'a=end-of-candidates')
  if (ufrag === undefined && candidates.length === 0 && !isEnd) return undefined
  return {
    credentials: ufrag === undefined || password === undefined ? undefined : { ufrag, password },
    candidates,
  }
}

function candidatesOf(lines: readonly string[], usernameFragment: string | null): FragmentCandidate[] {
  let sdpMid: string | null = null
  const candidates: FragmentCandidate[] = []
  for (const line of lines) {
    if (line.startsWith('m=')) sdpMid = null
    if (line.startsWith('a=mid:')) sdpMid = line.slice(6).trim()
    if (!line.startsWith('a=candidate:')) continue
    candidates.push({ candidate: line.slice(2).trim(), sdpMid, sdpMLineIndex: null, usernameFragment })
  }
  return candidates.slice(0, MAX_CANDIDATES)
}

function attribute(lines: readonly string[], name: string): string | undefined {
  const prefix = `a=${name}:`
  return lines
    .find((line) => line.startsWith(prefix))
    ?.slice(prefix.length)
    .trim()
}
