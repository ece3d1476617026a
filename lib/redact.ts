/** An HMAC-SHA256 in hex, which authenticates a robot (docs/relay-protocol.md, handshake). One form of it never expires. */
const SIGNATURE = /(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])/gi

/** The text without signatures: a peer may echo ours in a close reason or an error. */
export function hideSignatures(text: string): string {
  return text.replace(SIGNATURE, '[signature]')
}

const SECRET_NAMES = 'credential|password|passwd|passphrase|psk|secret|token|signature|authorization'
const SECRET_NAME = new RegExp(SECRET_NAMES, 'i')
/** Whether a field of this name has a secret. */
export const isSecretName = (name: string) => SECRET_NAME.test(name)
/** A text with such a name in JSON, and the same in JSON that is a text itself. */
const SECRET_TEXT = new RegExp(`("[\\w-]{0,64}?(?:${SECRET_NAMES})[\\w-]{0,64}":")(?:[^"\\\\]|\\\\.)*`, 'gi')
const QUOTED_SECRET_TEXT = new RegExp(
  `(\\\\"[\\w-]{0,64}?(?:${SECRET_NAMES})[\\w-]{0,64}\\\\":\\s?\\\\")[^"\\\\]*`,
  'gi',
)
/** User and password of a URL. RFC 3986 §3.2.1. */
const USER_INFO = /([a-z][a-z\d+.-]{0,20}:\/\/)[^\s"\\/?#@]{1,512}@/gi

/** A log line (JSON) without the secrets in it: by name, at any depth; signatures; user and password of URLs. In linear time. */
export function hideSecrets(line: string): string {
  return hideSignatures(line)
    .replace(SECRET_TEXT, '$1[secret]')
    .replace(QUOTED_SECRET_TEXT, '$1[secret]')
    .replace(USER_INFO, '$1[secret]@')
}

/** A host where one may begin: at the start, after a scheme, or after user and password. */
const HOST = /(?<=^|@|:\/\/)(?:[\w.-]+|\[[\da-f:.%]+\])(?::\d*)?(?=\/|$)/i

/**
 * The text without user, password and query of the URLs in it. A password may hold an `@`, `/` or `?`, so everything up to the
 * last `@` is removed that is not part of a query. Cameras take passwords in the query, under any name: `?usr=admin&pwd=…`.
 * The time is linear in the length of the text, which may come from a peer.
 */
export function hideCredentials(text: string): string {
  return text.replaceAll(/\S+/g, (run) => {
    const scheme = run.indexOf('://')
    if (scheme < 0) return run
    const shown = hideQueries(run, (head) => HOST.test(head))
    const at = shown.lastIndexOf('@')
    const start = scheme + '://'.length
    return hideQueries(at < start ? shown : shown.slice(0, start) + shown.slice(at + 1), () => true)
  })
}

/** Hides the query, or fragment, of each URL whose part between `://` and `?` satisfies `isUrl`. `run` has no blanks. */
function hideQueries(run: string, isUrl: (head: string) => boolean): string {
  const parts: string[] = []
  let done = 0
  let from = run.indexOf('://')
  while (from >= 0) {
    from += '://'.length
    const end = indexOf(run, /[?#"]/g, from)
    const isQuery = end < run.length && run[end] !== '"' && isUrl(run.slice(from, end))
    const next = isQuery ? indexOf(run, /"/g, end + 1) : end + 1
    if (isQuery && next > end + 1) {
      parts.push(run.slice(done, end + 1), '[hidden]')
      done = next
    }
    from = run.indexOf('://', next)
  }
  return parts.join('') + run.slice(done)
}

/** Where `pattern` matches next; the length of the text if nowhere. */
function indexOf(text: string, pattern: RegExp, from: number): number {
  pattern.lastIndex = from
  return pattern.exec(text)?.index ?? text.length
}
