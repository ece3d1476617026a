/** An HMAC-SHA256 in hex: what authenticates a robot (API_CONTRACT 1.2). One form of it never expires. */
const SIGNATURE = /(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])/gi

/** The text without signatures: a peer may say ours back to us, in a close reason or an error. */
export function hideSignatures(text: string): string {
  return text.replace(SIGNATURE, '[signature]')
}

/** Who logs in where, in a URL. */
const CREDENTIALS = /(?<=:\/\/)\S*@/g
/** Cameras take passwords there, under any name: `?usr=admin&pwd=…`. */
const QUERY = /(?<=:\/\/[^\s?"]*\?)[^\s"]+/g

/**
 * The text without user, password and query of the URLs in it. A password may hold an `@` or `/`, so all up to the last
 * goes.
 */
export function hideCredentials(text: string): string {
  return text.replaceAll(CREDENTIALS, '').replaceAll(QUERY, '[hidden]')
}
