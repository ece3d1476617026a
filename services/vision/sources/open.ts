import type { SourceSection } from '../config.ts'
import type { Capture } from './source.ts'
import { captureSynthetic } from './synthetic.ts'

/** How to capture from the configured source. */
export function captureFrom(source: SourceSection): Capture {
  switch (source.type) {
    case 'synthetic':
      return captureSynthetic
    default:
      throw new Error(`not yet`)
  }
}
