import { isDrive } from '#commands/drive/drive.ts'
import type { CommandClock } from '../connection/relay-clock.ts'

/** Oldest command that is carried out, ms. API_CONTRACT 0, 2.2. */
const LIMITS = { motionByRelay: 1_000, safety: 5_000, other: 30_000 }
/** A phone's clock may be ahead by this much, ms. */
const FUTURE = 5_000
const SAFETY = new Set(['treat', 'dispense_treat', 'carousel_rotate', 'servo'])

/**
 * Why a command is too old, or from the future, to be carried out; undefined when it is neither, or nobody can tell.
 * Commands that stop are never asked (FIELD_FAILURES A09, B07).
 */
export function whyStale(
  name: string,
  issuedAt: number | undefined,
  clock: CommandClock,
): string | undefined {
  const age = issuedAt === undefined ? undefined : clock.age(issuedAt)
  if (!age) return undefined
  const limit = limitFor(name, age.byRelay)
  const { error = 0 } = age
  if (age.ms > limit + error) return `too old: sent ${seconds(age.ms)} ago, ${seconds(limit)} is the limit`
  if (age.ms < -FUTURE - error) return `from the future by ${seconds(-age.ms)}: is the phone’s clock right?`
  return undefined
}

function limitFor(name: string, byRelay: boolean): number {
  if (isDrive(name)) return byRelay ? LIMITS.motionByRelay : LIMITS.safety
  return SAFETY.has(name) ? LIMITS.safety : LIMITS.other
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`
}
