import type { LookupAddress } from 'node:dns'
import { lookup as systemLookup } from 'node:dns/promises'
import type { LookupFunction } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

/** A name server that is gone can keep the system's resolver busy for 20 s; this long we wait, ms. */
const PATIENCE = 2_000

const systemAll = (hostname: string): Promise<LookupAddress[]> => systemLookup(hostname, { all: true })

/**
 * Name resolution for a link that must come back soon after the network does: an answer that is late or an error gives
 * way to the last addresses that were found, and never is more than one question under way, since each takes one of
 * the process's few threads.
 */
export function createLookup({ lookup = systemAll, patience = PATIENCE } = {}): LookupFunction {
  const known = new Map<string, LookupAddress[]>()
  const asked = new Map<string, Promise<LookupAddress[]>>()
  const question = async (hostname: string) => {
    try {
      const addresses = await lookup(hostname)
      known.set(hostname, addresses)
      return addresses
    } finally {
      asked.delete(hostname)
    }
  }
  const ask = (hostname: string) => {
    const running = asked.get(hostname) ?? question(hostname)
    asked.set(hostname, running)
    return running
  }
  const answer = async (hostname: string) => {
    const patient = new AbortController()
    const late = sleep(patience, undefined, { signal: patient.signal }).then(
      () => Promise.reject(timeout(hostname)),
      () => [], // answered in time
    )
    try {
      return await Promise.race([ask(hostname), late])
    } catch (err) {
      const before = known.get(hostname)
      if (!before) throw err
      return before
    } finally {
      patient.abort()
    }
  }
  return (hostname, { all }, callback) => {
    answer(hostname).then(
      (addresses) => {
        const [first] = addresses
        if (all) callback(null, addresses)
        else callback(null, first?.address ?? '', first?.family)
      },
      (err: NodeJS.ErrnoException) => callback(err, []),
    )
  }
}

function timeout(hostname: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`no answer to the question for ${hostname}`), { code: 'EAI_AGAIN' })
}
