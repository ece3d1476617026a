import type { CommandClock } from './command-clock.ts'
import { isDrive } from './drive/drive.ts'

/** Oldest command that is carried out, in ms. */
const MAX_AGE_MS = { motionByRelay: 1_000, safety: 5_000, other: 30_000 }
/** A phone's clock may be ahead by this much, in ms. */
const MAX_AHEAD_MS = 5_000
const SAFETY = new Set(['treat', 'dispense_treat', 'carousel_rotate', 'servo'])

/**
 * Why a command is too old, or from the future, to be carried out; undefined when it is neither, or when its age is
 * unknown. Commands that stop the robot are never checked. The text before the colon is the kind, by which acknowledgments
 * are limited and refusals counted: it has no numbers.
 */
export function whyStale(
  name: string,
  issuedAt: number | undefined,
  clock: CommandClock,
): string | undefined {
  const age = issuedAt === undefined ? undefined : clock.age(issuedAt)
  if (!age) return undefined
  const limit = maxAge(name, age.byRelay)
  const { error = 0 } = age
  if (age.ms > limit + error) return `too old: sent ${seconds(age.ms)} ago, ${seconds(limit)} is the limit`
  if (age.ms < -MAX_AHEAD_MS - error)
    return `from the future: by ${seconds(-age.ms)}, check the phone’s clock`
  return undefined
}

function maxAge(name: string, byRelay: boolean): number {
  if (isDrive(name)) return byRelay ? MAX_AGE_MS.motionByRelay : MAX_AGE_MS.safety
  return SAFETY.has(name) ? MAX_AGE_MS.safety : MAX_AGE_MS.other
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`
}
