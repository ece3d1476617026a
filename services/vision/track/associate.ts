import { type Box, type Candidate, iou } from '../detect/nms.ts'
import { distance, sizeRatio } from './box.ts'
import type { Track } from './track.ts'

/** Overlap from which a candidate may be a track. */
const OVERLAP = 0.15
/** Without overlap: body lengths that something may have gone wrong by since its last sight, and per second. */
const REACH = { first: 0.6, perSecond: 0.6, most: 1.8 }
/** And how much its size may differ. */
const SIZE = 0.4
/**
 * Overlap from which a candidate of another name may be the track nevertheless, and what that costs, so that a dog and a
 * cat that cross do not change places. A dog is called a cat, not a chair that it stood before.
 */
const OTHER_NAME = { animal: 0.3, thing: 0.7, cost: 0.35 }
/** Of COCO. */
const ANIMALS: ReadonlySet<string> = new Set(
  'bird cat dog horse sheep cow elephant bear zebra giraffe'.split(' ').concat('teddy bear'),
)

export interface Match {
  track: Track
  candidate: Candidate
}

/**
 * Which candidate is which track: the best pair first, each at most once. Greedy instead of Hungarian: with a handful
 * of animals they differ only where both are guesses.
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

/** 0 for the same box, undefined for what cannot be the same thing. */
function costOf(track: Track, expected: Box, { box, label }: Candidate, at: number): number | undefined {
  const overlap = Math.max(iou(expected, box), iou(track.box, box))
  if (track.label !== label) {
    const least = areAlike(track.label, label) ? OTHER_NAME.animal : OTHER_NAME.thing
    return overlap < least ? undefined : 1 - overlap + OTHER_NAME.cost
  }
  if (overlap >= OVERLAP) return 1 - overlap
  const seconds = (at - track.seenAt) / 1000
  const reach = Math.min(REACH.most, REACH.first + REACH.perSecond * seconds)
  const apart = Math.min(distance(expected, box), distance(track.box, box))
  return apart > reach || sizeRatio(track.box, box) < SIZE ? undefined : 1 + apart
}

/** Are they mistaken for each other? */
function areAlike(one: string, other: string): boolean {
  return ANIMALS.has(one) && ANIMALS.has(other)
}
