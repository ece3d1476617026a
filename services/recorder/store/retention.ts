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
}

/**
 * The clips to delete, oldest first: those that are too old, then those that exceed their size, then more until the disk has space.
 * Favorites stay, and what is being recorded.
 */
export function expired(clips: readonly Clip[], rules: RetentionRules, { now, needed }: Disk): Clip[] {
  const oldestFirst = [...clips].sort((one, other) => one.sequence - other.sequence)
  const [continuous, events] = [
    oldestFirst.filter(isContinuous),
    oldestFirst.filter((clip) => !isContinuous(clip)),
  ]
  const deleted = new Set([
    ...beyond(continuous, rules.continuous, now),
    ...beyond(events, rules.retention, now),
  ])
  let missing = needed - sum([...deleted])
  for (const clip of oldestFirst.filter(isDeletable)) {
    if (missing <= 0) break
    if (deleted.has(clip)) continue
    deleted.add(clip)
    missing -= clip.bytes
  }
  return oldestFirst.filter((clip) => deleted.has(clip))
}

/** Those of one kind that are too old, or too much. */
function beyond(
  clips: readonly Clip[],
  { days, max_mb }: { days: number; max_mb: number },
  now: number,
): Clip[] {
  let excess = sum(clips) - max_mb * MiB
  return clips.filter((clip) => {
    if (!isDeletable(clip)) return false
    const isTooOld = clip.startedAt > EARLIEST && clip.startedAt + clip.durationMs < now - days * DAY_MS
    if (!isTooOld && excess <= 0) return false
    excess -= clip.bytes
    return true
  })
}

function isDeletable({ favorite, complete }: Clip): boolean {
  return !favorite && complete
}

function isContinuous({ reasons }: Clip): boolean {
  return reasons.length > 0 && reasons.every(({ kind }) => kind === 'continuous')
}

function sum(clips: readonly Clip[]): number {
  return clips.reduce((bytes, clip) => bytes + clip.bytes, 0)
}
