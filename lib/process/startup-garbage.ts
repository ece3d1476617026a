import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/**
 * Frees what the loading of the modules has left in the heap, and returns the pages to the system. V8 itself collects it only
 * when the heap has grown, which in a service at rest is never.
 */
export function collectStartupGarbage(): void {
  setFlagsFromString('--expose-gc')
  const gc = runInNewContext('gc') as (options: object) => void
  // cached code of other flags is rejected
  setFlagsFromString('--no-expose-gc')
  // an ordinary collection keeps the pages
  gc({ type: 'major', execution: 'sync', flavor: 'last-resort' })
}
