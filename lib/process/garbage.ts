import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

// when this module is loaded: flags must not change once threads run
setFlagsFromString('--expose-gc')
const gc = runInNewContext('gc') as (options: object) => void
// V8 rejects cached code that was compiled with other flags
setFlagsFromString('--no-expose-gc')

/**
 * Frees what nothing refers to, and returns the pages to the system, which stops this thread for 0.1 s. V8 itself collects only when
 * the heap has grown, and keeps the pages.
 */
export function collectGarbage(): void {
  // an ordinary collection keeps the pages
  gc({ type: 'major', execution: 'sync', flavor: 'last-resort' })
}
