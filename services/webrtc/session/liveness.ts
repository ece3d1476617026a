/**
 * Detects a viewer that no longer sends. werift 0.25.2 notices a lost viewer only after 30 s without consent (RFC 7675
 * §5.1).
 */
export interface Liveness {
  /** Call it at an interval with the number of packets received; returns a change, or `lost` for good. */
  check(packetsReceived: number): 'silent' | 'back' | 'lost' | undefined
}

/** `silence` and `grace` in ms: time until a viewer counts as disconnected, and from then on as lost. */
export function createLiveness(
  { silence, grace }: { silence: number; grace: number },
  now = performance.now.bind(performance),
): Liveness {
  let last = { packets: -1, at: now() }
  let silent = false
  return {
    check(packetsReceived) {
      if (packetsReceived !== last.packets) {
        last = { packets: packetsReceived, at: now() }
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
