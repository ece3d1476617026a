import { readFile } from 'node:fs/promises'
import { Input } from '#services/vision/camera/sources/input.ts'
import { DetectorSection } from '#services/vision/config.ts'
import { loadModel } from '#services/vision/detect/model.ts'
import { type Box, type Candidate, iou } from '#services/vision/detect/nms.ts'
import { copyShared } from '#services/vision/detect/shared-frame.ts'
import { FrameConverter, planesOf } from '#services/vision/image/pixels.ts'
import { Tracker } from '#services/vision/track/tracker.ts'

/** The script's truth of one picture: x, y, width, height, and how much of the animal is seen. */
type Truth = [x: number, y: number, width: number, height: number, visible: number] | null

interface Clip {
  fps: number
  frames: number
  dog: Truth[]
  cat: Truth[]
}

export const clip: Clip = JSON.parse(await readFile('demo/clip.json', 'utf8'))

const SCORES = { begin: 0.5, keep: 0.3 }
/** From a picture to its detections, ms. */
const LATENCY = 35
/** Less overlap with any animal: there is none. */
const NOTHING = 0.1
/** A detection of that animal. */
const FOUND = 0.4

/** What the default detector sees in each of the first `frames` of the demo clip, or in every n-th; none in the others. */
export async function detectClip(every = 1, frames = clip.frames): Promise<Candidate[][]> {
  await using model = await loadModel(DetectorSection.parse({}))
  await using input = await Input.open('demo/clip.mp4', { signal: new AbortController().signal })
  using converter = new FrameConverter({ width: 1280, height: 720 })
  const all: Candidate[][] = []
  for (let next = await input.next(); next && all.length < frames; next = await input.next()) {
    if (all.length % every > 0) {
      next.pixels.free()
      all.push([])
      continue
    }
    using pixels = await converter.convert(next.pixels)
    const { candidates } = await model.detect(copyShared(planesOf(pixels)), SCORES.keep)
    all.push(candidates)
  }
  return all
}

/** A box that was drawn on a picture of the clip. */
interface Drawn {
  picture: number
  track: number
  label: string
  /** With the dog, and with whichever animal it fits best. */
  onDog: number
  onAny: number
}

export interface Figures {
  /** Inferences with the dog at least half in the picture, and those that saw it. */
  asked: number
  found: number
  drawn: Drawn[]
  /** Different tracks of the dog in each of its visits. */
  idsPerVisit: number[]
  /** Pictures with the dog at least half in, but without a box on it. */
  without: number
}

/** Plays the clip to a tracker as the live service does, with `rate` detections a second, whose answers come late. */
export function play(seen: readonly Candidate[][], rate: number, labels: readonly string[]): Figures {
  const tracker = new Tracker({ minScore: SCORES.begin, minScores: {}, keepScore: SCORES.keep })
  const every = clip.fps / rate
  const figures: Figures = { asked: 0, found: 0, drawn: [], idsPerVisit: [], without: 0 }
  const pending: number[] = []
  let due = 0
  for (let picture = 0; picture < seen.length; picture++) {
    if (picture >= due) {
      pending.push(picture)
      due += every
    }
    while (pending[0] !== undefined && timeOf(pending[0]) + LATENCY <= timeOf(picture)) {
      look(tracker, seen, pending.shift() ?? 0, figures)
    }
    draw(tracker, picture, labels, figures)
  }
  figures.idsPerVisit = visits().map(([from, to]) => {
    const those = figures.drawn.filter(
      ({ picture, onDog }) => picture >= from && picture <= to && onDog > NOTHING,
    )
    return new Set(those.filter(({ label }) => label === 'dog').map(({ track }) => track)).size
  })
  return figures
}

/** Boxes where there is no animal. */
export function ghosts({ drawn }: Figures): Drawn[] {
  return drawn.filter(({ onAny }) => onAny < NOTHING)
}

/** How well each box on the dog fits it, 0..1. */
export function fits({ drawn }: Figures): number[] {
  return drawn.filter(({ label, onDog }) => label === 'dog' && onDog > NOTHING).map(({ onDog }) => onDog)
}

function look(tracker: Tracker, seen: readonly Candidate[][], picture: number, figures: Figures): void {
  const update = tracker.update(seen[picture] ?? [], timeOf(picture))
  const dog = clip.dog[picture]
  if (!dog || dog[4] < 0.5) return
  figures.asked++
  const found = update.detected.some(
    ({ track, candidate }) => track.label === 'dog' && iou(candidate.box, boxOf(dog)) > FOUND,
  )
  if (found) figures.found++
}

function draw(tracker: Tracker, picture: number, labels: readonly string[], figures: Figures): void {
  const at = timeOf(picture)
  tracker.expire(at)
  const [dog, cat] = [clip.dog[picture] ?? null, clip.cat[picture] ?? null]
  const overlap = (box: Box, truth: Truth) => (truth ? iou(box, boxOf(truth)) : 0)
  const drawn = tracker
    .boxesAt(at)
    .filter(({ track }) => labels.includes(track.label))
    .map(({ track, box }) => {
      const onDog = overlap(box, dog)
      const onAny = Math.max(onDog, overlap(box, cat))
      return { picture, track: track.id, label: track.label, onDog, onAny }
    })
  figures.drawn.push(...drawn)
  if (dog && dog[4] >= 0.5 && !drawn.some(({ label, onDog }) => label === 'dog' && onDog > NOTHING))
    figures.without++
}

/** When the dog comes and goes: first and last picture of each visit. */
export function visits(): [from: number, to: number][] {
  const spans: [number, number][] = []
  for (const [i, truth] of clip.dog.entries()) {
    if (!truth) continue
    const last = spans.at(-1)
    if (last?.[1] === i - 1) last[1] = i
    else spans.push([i, i])
  }
  return spans
}

function timeOf(picture: number): number {
  return (picture * 1000) / clip.fps
}

function boxOf([x, y, width, height]: NonNullable<Truth>): Box {
  return [x, y, width, height]
}
