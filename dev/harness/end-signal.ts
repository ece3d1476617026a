/**
 * Aborts at the first SIGINT or SIGTERM, so that a long run ends what it started; a second one has its usual effect.
 */
export function endSignal(): AbortSignal {
  const ending = new AbortController()
  for (const name of ['SIGINT', 'SIGTERM'] as const)
    process.once(name, () => ending.abort(new Error(`ended by ${name}`)))
  return ending.signal
}
