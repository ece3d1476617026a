/** An HMAC-SHA256 in hex, which authenticates a robot (docs/relay-protocol.md, handshake). One form of it never expires. */
const SIGNATURE = /(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])/gi

/** The text without signatures: a peer may echo ours in a close reason or an error. */
export function hideSignatures(text: string): string {
  return text.replace(SIGNATURE, '[signature]')
}

/** Who logs in where, in a URL. */
const CREDENTIALS = /(?<=:\/\/)\S*@/g
/** Cameras take passwords there, under any name: `?usr=admin&pwd=…`. */
const QUERY = /(?<=:\/\/[^\s?#"]*[?#])[^\s"]+/g
/** The same after a complete host: what follows is not a password of a user, although it may contain an `@`. */
const QUERY_OF_HOST =
  /(?<=:\/\/(?:[^\s?#"]*@)?(?:[\w.-]+|\[[\da-f:.%]+\])(?::\d*)?(?:\/[^\s?#"]*)?[?#])[^\s"]+/gi

/**
 * The text without user, password and query of the URLs in it. A password may hold an `@`, `/` or `?`, so all up to the
 * last `@` goes that is not of the query.
 */
export function hideCredentials(text: string): string {
  return text.replaceAll(QUERY_OF_HOST, '[hidden]').replaceAll(CREDENTIALS, '').replaceAll(QUERY, '[hidden]')
}
