import type { SourceSection } from '../../config.ts'
import { captureExec } from './exec.ts'
import { captureRpicam } from './rpicam.ts'
import type { Capture } from './source.ts'
import { captureSynthetic } from './synthetic.ts'
import { captureUrl } from './url.ts'
import { captureV4l2 } from './v4l2.ts'

/** The capture function of a source. */
export function captureFrom(source: SourceSection): Capture {
  switch (source.type) {
    case 'rpicam':
      return captureRpicam(source)
    case 'v4l2':
      return captureV4l2(source)
    case 'url':
      return captureUrl(source)
    case 'exec':
      return captureExec(source)
    case 'synthetic':
      return captureSynthetic
  }
}
