import type { LookupAddress } from 'node:dns'
import { lookup as systemLookup } from 'node:dns/promises'
import type { LookupFunction } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

/** The system resolver can take 20 s to give up on a name server that does not answer. */
const LOOKUP_TIMEOUT_MS = 2_000

const systemAll = (hostname: string): Promise<LookupAddress[]> => systemLookup(hostname, { all: true })

/**
 * Name resolution that falls back to the last addresses found when the name server fails or is slow, so that the
 * connection returns as soon as the network does. Queries for one name are shared: each occupies a thread of libuv's pool.
 */
export function createLookup({ lookup = systemAll, timeout = LOOKUP_TIMEOUT_MS } = {}): LookupFunction {
  const known = new Map<string, LookupAddress[]>()
  const running = new Map<string, { addresses: Promise<LookupAddress[]>; startedAt: number }>()
  const query = async (hostname: string) => {
    try {
      const addresses = await lookup(hostname)
      known.set(hostname, addresses)
      return addresses
    } finally {
      running.delete(hostname)
    }
  }
  const join = (hostname: string) => {
    const shared = running.get(hostname) ?? { addresses: query(hostname), startedAt: performance.now() }
    running.set(hostname, shared)
    return shared
  }
  const resolve = async (hostname: string) => {
    const timer = new AbortController()
    const { addresses, startedAt } = join(hostname)
    // a query that others have waited for already does not delay this one again
    const left = Math.max(0, timeout - (performance.now() - startedAt))
    const late = sleep(left, undefined, { signal: timer.signal }).then(
      () => Promise.reject(timeoutError(hostname)),
      () => [], // answered in time
    )
    try {
      return await Promise.race([addresses, late])
    } catch (err) {
      const fallback = known.get(hostname)
      if (!fallback) throw err
      return fallback
    } finally {
      timer.abort()
    }
  }
  return (hostname, { all }, callback) => {
    resolve(hostname).then(
      (addresses) => {
        const [first] = addresses
        if (all) callback(null, addresses)
        else callback(null, first?.address ?? '', first?.family)
      },
      (err: NodeJS.ErrnoException) => callback(err, []),
    )
  }
}

function timeoutError(hostname: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`DNS timeout for ${hostname}`), { code: 'EAI_AGAIN' })
}
