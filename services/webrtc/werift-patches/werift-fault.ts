import { isGathering } from '../ice/gathering.ts'

/**
 * Whether an unhandled rejection or exception comes from werift. werift starts promises that it never handles (DNS
 * lookups, sends on a closed socket, checks of a closed peer), and each would end the process and all sessions. The stack
 * decides: the nearest frame must be werift's. An error with frames of Node only, such as a failed lookup, counts when a
 * gathering started it.
 */
export function isWeriftFault(err: unknown): boolean {
  if (!(err instanceof Error)) return false
  const frames = (err.stack ?? '').split('\n').filter((line) => /^ +at /.test(line))
  const nearest = frames.find((line) => !/(\(|at |async )node:|<anonymous>/.test(line))
  return nearest ? nearest.includes('/node_modules/werift/') : isGathering()
}
