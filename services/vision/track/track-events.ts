import type { TrackEvent } from '#bus/messages.ts'
import { iou } from '../detect/nms.ts'
import type { Track } from './track.ts'

type State = TrackEvent['after']

/** A box with a smaller IoU with the last published one has moved. */
const MOVED_IOU = 0.8
const MOVE_INTERVAL_MS = 1_000

export interface TrackEventOptions {
  /** Converts the monotonic clock to milliseconds since the epoch. */
  toEpoch(at: number): number
  publish(event: TrackEvent): void
}

/** Publishes `new`, `update` and `end` of each track. */
export class TrackEvents {
  readonly #options: TrackEventOptions
  /** Last published state of each track between `new` and `end`. */
  readonly #published = new Map<Track, { state: State; at: number }>()

  /** Labels to publish; all when empty. */
  labels: readonly string[] = []

  constructor(options: TrackEventOptions) {
    this.#options = options
  }

  /** Call after each inference with all tracks. `at`: capture time of its frame. */
  update(tracks: readonly Track[], at: number): void {
    for (const track of tracks) {
      const before = this.#published.get(track)
      if (!before) {
        if (track.confirmed && this.#wants(track.label)) this.#publish('new', track, at)
      } else if (hasChanged(before, this.#stateOf(track, at), at)) this.#publish('update', track, at)
    }
  }

  /** Call with the tracks that have ended. */
  end(tracks: readonly Track[]): void {
    for (const track of tracks) if (this.#published.has(track)) this.#publish('end', track, track.seenAt)
  }

  #publish(type: TrackEvent['type'], track: Track, at: number): void {
    const before = this.#published.get(track)?.state ?? null
    const after = this.#stateOf(track, at)
    if (type === 'end') this.#published.delete(track)
    else this.#published.set(track, { state: after, at })
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
    return this.labels.length === 0 || this.labels.includes(label)
  }

  #time(at: number): number {
    return Math.round(this.#options.toEpoch(at))
  }
}

function hasChanged(last: { state: State; at: number }, now: State, at: number): boolean {
  const { state } = last
  const changed =
    state.label !== now.label ||
    state.stationary !== now.stationary ||
    state.zones.join() !== now.zones.join() ||
    state.dwelling.join() !== now.dwelling.join()
  return changed || (at - last.at >= MOVE_INTERVAL_MS && iou(state.box, now.box) < MOVED_IOU)
}

function round(score: number): number {
  return Math.round(score * 1000) / 1000
}
