import type { TrackEvent } from '#bus/messages.ts'
import { iou } from '../detect/nms.ts'
import type { Track } from './track.ts'

type State = TrackEvent['after']

/** A box that overlaps less with the one told last has moved. */
const MOVED = 0.8
/** Moves are told so often at most, ms. */
const EVERY = 1_000

export interface TrackEventOptions {
  /** Of which labels; all when there are none. */
  labels: () => readonly string[]
  /** Milliseconds since the epoch of a moment of the monotonic clock. */
  toEpoch(at: number): number
  publish(event: TrackEvent): void
}

/** Tells the life of each track: `new`, `update` when something changed that others care for, `end`. */
export class TrackEvents {
  readonly #options: TrackEventOptions
  /** Told as `new` and not as `end`. */
  readonly #told = new Map<Track, { state: State; at: number }>()

  constructor(options: TrackEventOptions) {
    this.#options = options
  }

  /** After each inference, with all tracks. `at`: when its picture was taken. */
  update(tracks: readonly Track[], at: number): void {
    for (const track of tracks) {
      const before = this.#told.get(track)
      if (!before) {
        if (track.confirmed && this.#wants(track.label)) this.#tell('new', track, at)
      } else if (isWorthTelling(before, this.#stateOf(track, at), at)) this.#tell('update', track, at)
    }
  }

  /** These are no more. */
  end(tracks: readonly Track[]): void {
    for (const track of tracks) if (this.#told.has(track)) this.#tell('end', track, track.seenAt)
  }

  #tell(type: TrackEvent['type'], track: Track, at: number): void {
    const before = this.#told.get(track)?.state ?? null
    const after = this.#stateOf(track, at)
    if (type === 'end') this.#told.delete(track)
    else this.#told.set(track, { state: after, at })
    const end_time = type === 'end' ? this.#time(track.seenAt) : null
    this.#options.publish({ type, before, after: { ...after, end_time } })
  }

  #stateOf(track: Track, at: number): State {
    const started = this.#time(track.startedAt)
    return {
      id: `${started}-${track.id}`,
      track_id: track.id,
      label: track.label,
      score: round(track.score),
      top_score: round(track.topScore),
      box: track.box,
      zones: track.zones,
      entered_zones: track.enteredZones,
      dwelling: track.dwelling(at),
      stationary: track.stationary(at),
      frame_time: this.#time(at),
      start_time: started,
      end_time: null,
    }
  }

  #wants(label: string): boolean {
    const labels = this.#options.labels()
    return labels.length === 0 || labels.includes(label)
  }

  #time(at: number): number {
    return Math.round(this.#options.toEpoch(at))
  }
}

function isWorthTelling(told: { state: State; at: number }, now: State, at: number): boolean {
  const { state } = told
  const changed =
    state.label !== now.label ||
    state.stationary !== now.stationary ||
    state.zones.join() !== now.zones.join() ||
    state.dwelling.join() !== now.dwelling.join()
  return changed || (at - told.at >= EVERY && iou(state.box, now.box) < MOVED)
}

function round(score: number): number {
  return Math.round(score * 1000) / 1000
}
