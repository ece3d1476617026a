import { connect, isIP, type LookupFunction } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { bareHost } from '#bus/bare-host.ts'

/** Between two probes, randomized by half so that robots do not probe in step: a relay that returns is dialed within 2 s. */
const PROBE_INTERVAL_MS = 1_000

interface WaitOptions {
  signal: AbortSignal
  lookup: LookupFunction
}

/**
 * Waits `ms`, or until the relay's port accepts connections. For an unreachable relay: a bare TCP connection costs it
 * little, a WebSocket upgrade in a tight loop would not.
 */
export async function waitForPort(url: URL, ms: number, { signal, lookup }: WaitOptions): Promise<void> {
  const end = performance.now() + ms
  for (;;) {
    const left = end - performance.now()
    if (left <= 0 || signal.aborted) return
    const interval = PROBE_INTERVAL_MS * (0.5 + Math.random() / 2)
    await sleep(Math.min(left, interval), undefined, { signal }).catch(() => {})
    if (performance.now() < end && !signal.aborted && (await accepts(url, lookup))) return
  }
}

function accepts(url: URL, lookup: LookupFunction): Promise<boolean> {
  const port = Number(url.port) || (url.protocol === 'wss:' ? 443 : 80)
  const host = bareHost(url.hostname)
  const socket = connect({ host, port, lookup })
  const limit = () => socket.setTimeout(PROBE_INTERVAL_MS)
  // `lookup` has a limit of its own, which may be longer
  if (isIP(host)) limit()
  else socket.once('lookup', limit)
  return new Promise((resolve) => {
    socket.once('connect', () => resolve(true))
    socket.once('timeout', () => resolve(false))
    socket.once('error', () => resolve(false))
  }).finally(() => socket.destroy()) as Promise<boolean>
}
