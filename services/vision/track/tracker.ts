import type { ZoneSection } from '../config.ts'
import { type Box, type Candidate, iou } from '../detect/nms.ts'
import { associate } from './associate.ts'
import { Track } from './track.ts'

export interface TrackerOptions {
  /** To begin a track, by label; 0..1. */
  minScore(label: string): number
  /** To go on with one that has begun. */
  keepScore(): number
  zones?: Readonly<Record<string, ZoneSection>>
}

/** Tracks that are kept, at most. */
const MOST = 32
/** An animal that is out of sight for that long, ms, is another one when it comes back. */
const OCCLUSION = 2_000
/** ... and so many intervals of the detector more, since it looks only then. */
const INTERVALS = 2
/** A track that one inference missed is drawn on, if the next one comes so soon, ms. */
const COAST = 300
/** Less of it in the picture, in parts of a side: it has left. */
const GONE = 0.015
/** Or that part of what was measured last: it is leaving and not drawn any more; then it has left. */
const LEAVING = 0.5
const LEFT = 0.2
/** So far inside another box a candidate is a part of that animal: its head. */
const PART = 0.85
/** Milliseconds; the first guess of how often the detector looks. */
const USUAL_INTERVAL = 200
const MOST_INTERVAL = 1_000

/** What one inference changed. */
export interface Sighting {
  /** Tracks that were seen in it, with the candidate that each one was. */
  seen: { track: Track; candidate: Candidate }[]
  /** Tracks that are no more. */
  ended: Track[]
}

/**
 * Follows what the detector sees from picture to picture, in the way of ByteTrack: sure candidates go to the tracks
 * first, unsure ones only keep tracks alive. Times in milliseconds of a monotonic clock.
 */
export class Tracker {
  readonly #options: TrackerOptions
  #tracks: Track[] = []
  #lastId = 0
  #last: number | undefined
  #interval = USUAL_INTERVAL

  constructor(options: TrackerOptions) {
    this.#options = options
  }

  /** All that are followed now, oldest first; also those that are out of sight or seen only once. */
  get tracks(): readonly Track[] {
    return this.#tracks
  }

  /** Takes an inference on a picture taken `at` into account; pictures come in order. */
  update(candidates: readonly Candidate[], at: number): Sighting {
    const { minScore } = this.#options
    const keepScore = this.#options.keepScore()
    this.#measure(at)
    const sure = candidates.filter(({ label, score }) => score >= minScore(label))
    const unsure = candidates.filter(({ label, score }) => score >= keepScore && score < minScore(label))
    const matches = associate(this.#tracks, sure, at)
    const found = new Set(matches.map(({ track }) => track))
    matches.push(
      ...associate(
        this.#tracks.filter((track) => !found.has(track)),
        unsure,
        at,
      ),
    )
    for (const { track, candidate } of matches) track.see(candidate, at)
    const taken = new Set(matches.map(({ candidate }) => candidate))
    const fresh = sure.filter((one) => !taken.has(one) && !sure.some((other) => isPart(one, other)))
    const seen = [...matches, ...this.#begin(fresh, at)]
    const alive = new Set(seen.map(({ track }) => track))
    for (const track of this.#tracks) if (!alive.has(track)) track.miss()
    return { seen, ended: this.expire(at) }
  }

  /** Ends what has left the picture or was not seen for too long; returns it. */
  expire(at: number): Track[] {
    const patience = OCCLUSION + INTERVALS * this.#interval
    const over = (track: Track) =>
      at - track.seenAt > (track.confirmed ? patience : INTERVALS * this.#interval) ||
      (track.missed > 0 && isOut(track, at, LEFT))
    const ended = this.#tracks.filter(over)
    if (ended.length > 0) this.#tracks = this.#tracks.filter((track) => !ended.includes(track))
    return ended
  }

  /** Ends all; returns them. */
  clear(): Track[] {
    const ended = this.#tracks
    this.#tracks = []
    return ended
  }

  /** Where confirmed tracks are in a picture taken `at`, as far as they are in sight. */
  boxesAt(at: number): { track: Track; box: Box }[] {
    const shown = this.#tracks.filter((track) => this.#isShown(track, at))
    return shown.map((track) => ({ track, box: track.motion.visible(at) }))
  }

  #isShown(track: Track, at: number): boolean {
    const missable = this.#interval <= COAST ? 1 : 0
    // the next inference should have seen it by now
    const overdue = at - track.seenAt > (missable + 2) * this.#interval
    return track.confirmed && track.missed <= missable && !overdue && !isOut(track, at, LEAVING)
  }

  #begin(candidates: readonly Candidate[], at: number): Sighting['seen'] {
    const room = candidates.slice(0, MOST - this.#tracks.length)
    const begun = room.map((candidate) => {
      const track = new Track(++this.#lastId, candidate, at, this.#options.zones ?? {})
      return { track, candidate }
    })
    this.#tracks.push(...begun.map(({ track }) => track))
    return begun
  }

  /** How often the detector looks. */
  #measure(at: number): void {
    const interval = Math.min(MOST_INTERVAL, at - (this.#last ?? at - this.#interval))
    this.#interval += (interval - this.#interval) * 0.3
    this.#last = at
  }
}

/** Is less than `part` of it, as it was measured last, still in the picture? */
function isOut(track: Track, at: number, part: number): boolean {
  const [, , width, height] = track.motion.visible(at)
  const [, , ownWidth, ownHeight] = track.box
  return width < Math.max(GONE, ownWidth * part) || height < Math.max(GONE, ownHeight * part)
}

/** Is the first a part of the second, as a head is of a dog? */
function isPart(inner: Candidate, outer: Candidate): boolean {
  if (inner === outer || inner.label !== outer.label) return false
  const [area, outerArea] = [areaOf(inner.box), areaOf(outer.box)]
  const overlap = iou(inner.box, outer.box)
  // of iou = common / (area + outerArea - common)
  const common = (overlap * (area + outerArea)) / (1 + overlap)
  return area < outerArea && common >= PART * area
}

function areaOf([, , width, height]: Box): number {
  return width * height
}
