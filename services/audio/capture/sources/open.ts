import type { AudioSourceSection } from '../../config.ts'
import { captureAlsa, captureExec, capturePulse } from './exec.ts'
import type { Capture } from './source.ts'
import { captureSynthetic } from './synthetic.ts'
import { captureUrl } from './url.ts'

/** The capture function of a source; `none` has none. */
export function captureFrom(source: Exclude<AudioSourceSection, { type: 'none' }>): Capture {
  switch (source.type) {
    case 'alsa':
      return captureAlsa(source)
    case 'pulse':
    case 'pipewire':
      return capturePulse(source)
    case 'exec':
      return captureExec(source)
    case 'url':
      return captureUrl(source)
    case 'synthetic':
      return captureSynthetic
  }
}
