import type { RecorderSection } from '../config.ts'
import type { Recordings } from '../recording/recordings.ts'

const TREAT = 'treat_dispensed'

/** Keeps what is around an event of the bus. */
export function keepEvent(
  name: string,
  keep: Pick<RecorderSection['keep'], 'events' | 'treats'>,
  recordings: Pick<Recordings, 'keep'>,
): void {
  const now = performance.now()
  const at = Date.now()
  const span = Object.hasOwn(keep.events, name) ? keep.events[name] : undefined
  if (name === TREAT && keep.treats) {
    const { pre, post } = keep.treats
    recordings.keep({ kind: 'treat', at }, now - pre * 1_000, now + post * 1_000)
  }
  if (span)
    recordings.keep({ kind: 'event', event: name, at }, now - span.pre * 1_000, now + span.post * 1_000)
}
