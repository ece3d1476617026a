/** Who made a session description, and which version of it this is. RFC 8866 §5.2. */
export interface Origin {
  /** User name and id of the session. */
  session: string
  version: number
}

const LINE = /^o=(\S+ \S+) (\d+)/m

export function readOrigin(sdp: string): Origin {
  const [, session = '- 0', version = '0'] = LINE.exec(sdp) ?? []
  return { session, version: Number(version) }
}

/** Of the next offer for the same session (RFC 8829 §5.2.2). */
export function nextOrigin({ session, version }: Origin): Origin {
  return { session, version: version + 1 }
}

/** The description as one of this session and version: werift 0.25.2 invents another session for each offer. */
export function withOrigin(sdp: string, { session, version }: Origin): string {
  return sdp.replace(LINE, `o=${session} ${version}`)
}
