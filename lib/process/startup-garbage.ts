import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

// when this module is loaded: flags must not change once threads run
setFlagsFromString('--expose-gc')
const gc = runInNewContext('gc') as (options: object) => void
// V8 rejects cached code that was compiled with other flags
setFlagsFromString('--no-expose-gc')

/**
 * Frees what the loading of the modules has left in the heap, and returns the pages to the system. V8 itself collects it only
 * when the heap has grown, which in a service at rest is never.
 */
export function collectStartupGarbage(): void {
  // an ordinary collection keeps the pages
  gc({ type: 'major', execution: 'sync', flavor: 'last-resort' })
}
