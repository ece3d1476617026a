import type { ZoneSection } from '../config.ts'
import { type Box, type Candidate, iou } from '../detect/nms.ts'
import { associate } from './associate.ts'
import { Track } from './track.ts'

export interface Thresholds {
  /** Starts a track, 0..1; `minScores` by label. */
  minScore: number
  minScores: Readonly<Record<string, number>>
  /** Continues a track. */
  keepScore: number
}

const MAX_TRACKS = 32
/** A confirmed track without detections ends after this time plus GRACE_INTERVALS of the detector. */
const OCCLUSION_MS = 2_000
const GRACE_INTERVALS = 2
/** A track with one missed inference is still drawn where the detector's interval is at most this. */
const MAX_COAST_INTERVAL_MS = 300
/** A track has left when a visible side is below this fraction of the image … */
const MIN_VISIBLE_SIDE = 0.015
/** … or below this fraction of the last measured side; below LEAVING it is no longer drawn. */
const LEAVING = 0.5
const LEFT = 0.2
/** A candidate this far inside another of its label is a part of it, such as the head. */
const PART_OVERLAP = 0.85
const INITIAL_INTERVAL_MS = 200
const MAX_INTERVAL_MS = 1_000

/** The outcome of one inference. */
export interface TrackerUpdate {
  /** Detected tracks, each with its candidate. */
  detected: { track: Track; candidate: Candidate }[]
  /** Tracks that have ended. */
  ended: Track[]
}

/**
 * Follows objects from frame to frame with two thresholds, as ByteTrack: candidates above `minScore` are assigned first
 * and start tracks, the others only continue tracks. Times in milliseconds of a monotonic clock.
 */
export class Tracker {
  readonly #zones: Readonly<Record<string, ZoneSection>>
  /** Takes effect at the next inference. */
  thresholds: Thresholds
  #tracks: Track[] = []
  #lastId = 0
  #last: number | undefined
  #interval = INITIAL_INTERVAL_MS

  constructor(thresholds: Thresholds, zones: Readonly<Record<string, ZoneSection>> = {}) {
    this.thresholds = thresholds
    this.#zones = zones
  }

  /** All tracks, oldest first, including occluded and unconfirmed ones. */
  get tracks(): readonly Track[] {
    return this.#tracks
  }

  /** Adds an inference on the frame captured `at`; frames are in order. */
  update(candidates: readonly Candidate[], at: number): TrackerUpdate {
    const { keepScore } = this.thresholds
    const minScore = (label: string) => this.thresholds.minScores[label] ?? this.thresholds.minScore
    this.#measureInterval(at)
    const strong = candidates.filter(({ label, score }) => score >= minScore(label))
    const weak = candidates.filter(({ label, score }) => score >= keepScore && score < minScore(label))
    const matches = associate(this.#tracks, strong, at)
    const found = new Set(matches.map(({ track }) => track))
    matches.push(
      ...associate(
        this.#tracks.filter((track) => !found.has(track)),
        weak,
        at,
      ),
    )
    for (const { track, candidate } of matches) track.update(candidate, at)
    const assigned = new Set(matches.map(({ candidate }) => candidate))
    const unassigned = strong.filter(
      (one) => !assigned.has(one) && !strong.some((other) => isPart(one, other)),
    )
    const detected = [...matches, ...this.#start(unassigned, at)]
    const alive = new Set(detected.map(({ track }) => track))
    for (const track of this.#tracks) if (!alive.has(track)) track.miss()
    return { detected, ended: this.expire(at) }
  }

  /** Ends tracks that have left the image or were not detected for too long; returns them. */
  expire(at: number): Track[] {
    const confirmedMs = OCCLUSION_MS + GRACE_INTERVALS * this.#interval
    const over = (track: Track) =>
      at - track.seenAt > (track.confirmed ? confirmedMs : GRACE_INTERVALS * this.#interval) ||
      (track.missed > 0 && isOut(track, at, LEFT))
    const ended = this.#tracks.filter(over)
    if (ended.length > 0) this.#tracks = this.#tracks.filter((track) => !ended.includes(track))
    return ended
  }

  /** Ends all tracks; returns them. */
  clear(): Track[] {
    const ended = this.#tracks
    this.#tracks = []
    return ended
  }

  /** Predicted boxes of the visible confirmed tracks in a frame captured `at`. */
  boxesAt(at: number): { track: Track; box: Box }[] {
    const shown = this.#tracks.filter((track) => this.#isShown(track, at))
    return shown.map((track) => ({ track, box: track.motion.visible(at) }))
  }

  #isShown(track: Track, at: number): boolean {
    const missable = this.#interval <= MAX_COAST_INTERVAL_MS ? 1 : 0
    // the next inference should have detected it by now
    const overdue = at - track.seenAt > (missable + 2) * this.#interval
    return track.confirmed && track.missed <= missable && !overdue && !isOut(track, at, LEAVING)
  }

  #start(candidates: readonly Candidate[], at: number): TrackerUpdate['detected'] {
    const room = candidates.slice(0, MAX_TRACKS - this.#tracks.length)
    const started = room.map((candidate) => {
      const track = new Track(++this.#lastId, candidate, at, this.#zones)
      return { track, candidate }
    })
    this.#tracks.push(...started.map(({ track }) => track))
    return started
  }

  /** Averages the interval of the detector. */
  #measureInterval(at: number): void {
    const interval = Math.min(MAX_INTERVAL_MS, at - (this.#last ?? at - this.#interval))
    this.#interval += (interval - this.#interval) * 0.3
    this.#last = at
  }
}

/** True when less than `part` of the last measured box is visible. */
function isOut(track: Track, at: number, part: number): boolean {
  const [, , width, height] = track.motion.visible(at)
  const [, , ownWidth, ownHeight] = track.box
  return (
    width < Math.max(MIN_VISIBLE_SIDE, ownWidth * part) ||
    height < Math.max(MIN_VISIBLE_SIDE, ownHeight * part)
  )
}

/** True when the first is a part of the second, such as the head of a dog. */
function isPart(inner: Candidate, outer: Candidate): boolean {
  if (inner === outer || inner.label !== outer.label) return false
  const [area, outerArea] = [areaOf(inner.box), areaOf(outer.box)]
  const overlap = iou(inner.box, outer.box)
  // from iou = common / (area + outerArea - common)
  const common = (overlap * (area + outerArea)) / (1 + overlap)
  return area < outerArea && common >= PART_OVERLAP * area
}

function areaOf([, , width, height]: Box): number {
  return width * height
}
