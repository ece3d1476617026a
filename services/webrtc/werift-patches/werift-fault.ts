import { isGathering } from '../ice/gathering.ts'

/**
 * Was this rejection or exception, which nobody has caught, born inside werift? It starts promises that it never looks
 * after (lookups, sends on a socket that is gone, checks of a closed peer), and each would end the process, all sessions
 * included. The stack decides: the frame nearest to the error must be werift's, with none of our code in between. An error
 * without any frame but Node's, such as a failed look-up, counts when it was begun by a peer that gathers.
 */
export function isWeriftFault(err: unknown): boolean {
  if (!(err instanceof Error)) return false
  const frames = (err.stack ?? '').split('\n').filter((line) => /^ +at /.test(line))
  const nearest = frames.find((line) => !/(\(|at |async )node:|<anonymous>/.test(line))
  return nearest ? nearest.includes('/node_modules/werift/') : isGathering()
}
