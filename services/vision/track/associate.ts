import { type Box, type Candidate, iou } from '../detect/nms.ts'
import { distance, sizeRatio } from './box.ts'
import type { Track } from './track.ts'

/** IoU from which a candidate may belong to a track. */
const MIN_IOU = 0.15
/** Without overlap: largest prediction error in body lengths, at the last detection and per second since. */
const REACH = { first: 0.6, perSecond: 0.6, max: 1.8 }
/** Without overlap: least ratio of the areas. */
const MIN_SIZE_RATIO = 0.4
/**
 * IoU from which a candidate of another label may belong to a track, and the cost of that, so that a dog and a cat that
 * cross keep their tracks. Models confuse animals with one another more than with things.
 */
const OTHER_LABEL = { animal: 0.3, thing: 0.7, cost: 0.35 }
/** Animals of COCO. */
const ANIMALS: ReadonlySet<string> = new Set(
  'bird cat dog horse sheep cow elephant bear zebra giraffe'.split(' ').concat('teddy bear'),
)

export interface Match {
  track: Track
  candidate: Candidate
}

/**
 * Assigns candidates to tracks: the best pair first, each at most once. Greedy instead of Hungarian: for a few animals
 * the results differ only where both are ambiguous.
 */
export function associate(tracks: readonly Track[], candidates: readonly Candidate[], at: number): Match[] {
  const pairs = tracks.flatMap((track) => {
    const expected = track.motion.visible(at)
    return candidates.flatMap((candidate) => {
      const cost = costOf(track, expected, candidate, at)
      return cost === undefined ? [] : [{ track, candidate, cost }]
    })
  })
  const taken = new Set<Track | Candidate>()
  const matches: Match[] = []
  for (const { track, candidate } of pairs.toSorted((a, b) => a.cost - b.cost)) {
    if (taken.has(track) || taken.has(candidate)) continue
    taken.add(track)
    taken.add(candidate)
    matches.push({ track, candidate })
  }
  return matches
}

/** 0 for the same box; undefined where candidate and track cannot be the same object. */
function costOf(track: Track, expected: Box, { box, label }: Candidate, at: number): number | undefined {
  const overlap = Math.max(iou(expected, box), iou(track.box, box))
  if (track.label !== label) {
    const least = areConfusable(track.label, label) ? OTHER_LABEL.animal : OTHER_LABEL.thing
    return overlap < least ? undefined : 1 - overlap + OTHER_LABEL.cost
  }
  if (overlap >= MIN_IOU) return 1 - overlap
  const seconds = (at - track.seenAt) / 1000
  const reach = Math.min(REACH.max, REACH.first + REACH.perSecond * seconds)
  const apart = Math.min(distance(expected, box), distance(track.box, box))
  return apart > reach || sizeRatio(track.box, box) < MIN_SIZE_RATIO ? undefined : 1 + apart
}

/** True for labels that models confuse. */
function areConfusable(one: string, other: string): boolean {
  return ANIMALS.has(one) && ANIMALS.has(other)
}
