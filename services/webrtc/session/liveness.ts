/** Is the viewer still there? werift 0.25.2 notices a lost one only after 30 s without consent (RFC 7675 §5.1). */
export interface Liveness {
  /** To be called regularly with a count of what was heard; says what has changed, or `lost` for good. */
  check(heard: number): 'silent' | 'back' | 'lost' | undefined
}

/** `silence` and `grace` in milliseconds: how long until a viewer counts as disconnected, and then as lost. */
export function createLiveness(
  { silence, grace }: { silence: number; grace: number },
  now = performance.now.bind(performance),
): Liveness {
  let last = { heard: -1, at: now() }
  let silent = false
  return {
    check(heard) {
      if (heard !== last.heard) {
        last = { heard, at: now() }
        if (!silent) return undefined
        silent = false
        return 'back'
      }
      const quiet = now() - last.at
      if (quiet >= silence + grace) return 'lost'
      if (quiet < silence || silent) return undefined
      silent = true
      return 'silent'
    },
  }
}
