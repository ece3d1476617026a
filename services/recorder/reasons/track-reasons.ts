import type { TrackEvent } from '#bus/messages.ts'
import type { ClipReason } from '../clip.ts'
import type { RecorderSection, Span } from '../config.ts'
import { toMonotonic } from '../feed/capture-clock.ts'
import type { Recordings } from '../recording/recordings.ts'

/** Objects that are followed at the same time. */
const MAX_TRACKS = 100

type Track = TrackEvent['after']

interface Wanted {
  span: Span
  reason: ClipReason
}

/** Keeps a clip open while an object of a label, or one in a zone, is there and moves. */
export class TrackReasons {
  readonly #keep: Pick<RecorderSection['keep'], 'labels' | 'zones'>
  readonly #recordings: Pick<Recordings, 'hold' | 'release'>
  /** What is held, by track. */
  readonly #held = new Map<string, Map<string, Wanted>>()

  constructor(
    keep: Pick<RecorderSection['keep'], 'labels' | 'zones'>,
    recordings: Pick<Recordings, 'hold' | 'release'>,
  ) {
    this.#keep = keep
    this.#recordings = recordings
  }

  ingest({ type, after }: TrackEvent): void {
    const held = this.#held.get(after.id) ?? new Map<string, Wanted>()
    const at = toMonotonic(after.end_time ?? after.frame_time)
    const wanted = type === 'end' ? new Map<string, Wanted>() : this.#wanted(after)
    for (const [key, { span }] of held) if (!wanted.has(key)) this.#release(held, { key, span, at })
    for (const [key, one] of wanted) {
      if (held.has(key) || this.#held.size >= MAX_TRACKS) continue
      held.set(key, one)
      this.#recordings.hold(key, one.reason, at - one.span.pre * 1_000)
    }
    if (held.size > 0) this.#held.set(after.id, held)
    else this.#held.delete(after.id)
  }

  #release(held: Map<string, Wanted>, { key, span, at }: { key: string; span: Span; at: number }): void {
    held.delete(key)
    this.#recordings.release(key, at + span.post * 1_000)
  }

  /** Vision has ended: it reports the end of no track. */
  releaseAll(now = performance.now()): void {
    for (const held of this.#held.values()) {
      for (const [key, { span }] of held) this.#recordings.release(key, now + span.post * 1_000)
    }
    this.#held.clear()
  }

  /** Recording was stopped, which ended every hold, and goes on. */
  holdAgain(now = performance.now()): void {
    for (const held of this.#held.values()) {
      for (const [key, { reason }] of held) this.#recordings.hold(key, { ...reason, at: Date.now() }, now)
    }
  }

  #wanted(track: Track): Map<string, Wanted> {
    const { labels, zones } = this.#keep
    const { id, label, frame_time: at } = track
    const wanted = new Map<string, Wanted>()
    if (track.stationary) return wanted
    const span = Object.hasOwn(labels, label) ? labels[label] : undefined
    if (span) wanted.set(`${id} label`, { span, reason: { kind: 'label', label, at } })
    for (const zone of track.zones) {
      const inZone = Object.hasOwn(zones, zone) ? zones[zone] : undefined
      if (inZone)
        wanted.set(`${id} zone ${zone}`, { span: inZone, reason: { kind: 'zone', zone, label, at } })
    }
    return wanted
  }
}
