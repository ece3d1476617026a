import { statSync } from 'node:fs'

/** Between two looks at the files; a change counts when the next look finds nothing new. */
const POLL_INTERVAL_MS = 2_000

/**
 * Calls `onChange` after the content of a file was replaced, edited, created or deleted, once it has stayed the same for one
 * interval, so that a certificate and its key are seen together. Polls: inotify sees neither a replaced target of a symbolic
 * link (certbot) nor a mount of another machine.
 */
export function watchFiles(
  paths: readonly string[],
  onChange: () => void,
  interval = POLL_INTERVAL_MS,
): Disposable {
  let handled = fingerprint(paths)
  let last = handled
  const timer = setInterval(() => {
    const now = fingerprint(paths)
    const isStable = now === last
    last = now
    if (!isStable || now === handled) return
    handled = now
    onChange()
  }, interval)
  timer.unref()
  return { [Symbol.dispose]: () => clearInterval(timer) }
}

function fingerprint(paths: readonly string[]): string {
  return paths
    .map((path) => {
      const stat = statSync(path, { bigint: true, throwIfNoEntry: false })
      return stat ? `${stat.dev}:${stat.ino}:${stat.size}:${stat.mtimeNs}` : ''
    })
    .join(' ')
}
