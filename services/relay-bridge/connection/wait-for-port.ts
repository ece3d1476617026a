import { connect, type LookupFunction } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

/** Between two looks, ms: a relay that is back is dialled within 2 s. Spread, so that robots do not look in step. */
const EVERY = 1_000

/**
 * Waits `ms`, or less when the relay's port accepts connections before that. For a relay that could not be reached at
 * all: a bare TCP connection costs it next to nothing, a dial in a tight loop would.
 */
export async function waitForRelay(
  url: URL,
  ms: number,
  { signal, lookup }: { signal: AbortSignal; lookup: LookupFunction },
): Promise<void> {
  const end = performance.now() + ms
  for (;;) {
    const left = end - performance.now()
    if (left <= 0 || signal.aborted) return
    await sleep(Math.min(left, EVERY * (0.5 + Math.random() / 2)), undefined, { signal }).catch(() => {})
    if (performance.now() < end && !signal.aborted && (await accepts(url, lookup))) return
  }
}

function accepts(url: URL, lookup: LookupFunction): Promise<boolean> {
  const port = Number(url.port) || (url.protocol === 'wss:' ? 443 : 80)
  const host = url.hostname.replace(/^\[|\]$/g, '')
  const socket = connect({ host, port, lookup, timeout: EVERY })
  return new Promise((resolve) => {
    socket.once('connect', () => resolve(true))
    socket.once('timeout', () => resolve(false))
    socket.once('error', () => resolve(false))
  }).finally(() => socket.destroy()) as Promise<boolean>
}
