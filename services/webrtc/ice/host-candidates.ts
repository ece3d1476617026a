import { type Connection, getHostAddresses } from 'werift'
import type { PeerOptions } from '../peer/peer-config.ts'

/** How long is waited for host candidates, which take a millisecond or two. */
const BUDGET = 250

/**
 * Resolves when every address of this machine that is not among `known` has its candidate, or 250 ms have passed. To be
 * called before the gathering begins.
 */
export function hostCandidates(
  connection: Connection,
  { policy, additionalHostAddresses }: PeerOptions,
  known: readonly string[] = [],
): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const addresses = [...getHostAddresses(true, true), ...(known.length > 0 ? [] : additionalHostAddresses)]
  const expected = new Set(addresses.filter((address) => !known.includes(address))).size
  if (policy === 'relay' || expected === 0) return Promise.resolve()
  let found = 0
  const timer = setTimeout(resolve, BUDGET)
  const counting = connection.onIceCandidate.subscribe(({ type }) => {
    if (type === 'host' && ++found >= expected) resolve()
  })
  return promise.finally(() => {
    clearTimeout(timer)
    counting.unSubscribe()
  })
}
