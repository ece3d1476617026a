import type { Clip } from '../clip.ts'
import type { RecorderSection } from '../config.ts'

const MiB = 1024 * 1024
const DAY_MS = 86_400_000
/** A clock before this was not set yet, so the age of a clip is unknown. */
const EARLIEST = Date.UTC(2020)

export type RetentionRules = Pick<RecorderSection, 'retention' | 'continuous'>

interface Disk {
  /** ms since the epoch. */
  now: number
  /** Bytes that must become free. */
  needed: number
  /** Ids of clips that cannot be deleted now. */
  held?: ReadonlySet<string> | undefined
}

/**
 * The clips to delete, oldest first: those that are too old, then those that exceed their size, then more until the disk has space.
 * Favorites stay, and what is being recorded.
 */
export function expired(clips: readonly Clip[], rules: RetentionRules, { now, needed, held }: Disk): Clip[] {
  const oldestFirst = [...clips].sort((one, other) => one.sequence - other.sequence)
  const [continuous, events] = [
    oldestFirst.filter(isContinuous),
    oldestFirst.filter((clip) => !isContinuous(clip)),
  ]
  const deleted = new Set([
    ...beyond(continuous, rules.continuous, { now, held }),
    ...beyond(events, rules.retention, { now, held }),
  ])
  let missing = needed - sum([...deleted])
  for (const clip of oldestFirst) {
    if (missing <= 0) break
    if (deleted.has(clip) || !isDeletable(clip, held)) continue
    deleted.add(clip)
    missing -= clip.bytes
  }
  return oldestFirst.filter((clip) => deleted.has(clip))
}

/** Those of one kind that are too old, or too much. */
function beyond(
  clips: readonly Clip[],
  { days, max_mb }: { days: number; max_mb: number },
  { now, held }: Pick<Disk, 'now' | 'held'>,
): Clip[] {
  let excess = sum(clips) - max_mb * MiB
  return clips.filter((clip) => {
    if (!isDeletable(clip, held)) return false
    const isTooOld = clip.startedAt > EARLIEST && clip.startedAt + clip.durationMs < now - days * DAY_MS
    if (!isTooOld && excess <= 0) return false
    excess -= clip.bytes
    return true
  })
}

function isDeletable({ id, favorite, complete }: Clip, held: Disk['held']): boolean {
  return !favorite && complete && !held?.has(id)
}

function isContinuous({ reasons }: Clip): boolean {
  return reasons.length > 0 && reasons.every(({ kind }) => kind === 'continuous')
}

function sum(clips: readonly Clip[]): number {
  return clips.reduce((bytes, clip) => bytes + clip.bytes, 0)
}
