/** Share of the way's rate that repetitions may take, and what they may take at once in bytes. */
const SHARE = 0.3
const BURST = 30_000

/** Bounds what is sent again, so that a lossy way is not filled with repetitions. */
export function createRepeatBudget(rate: () => number, now = performance.now.bind(performance)) {
  let bytes = BURST
  let at = now()
  return {
    /** May so many bytes be sent again? */
    take(size: number): boolean {
      bytes = Math.min(BURST, bytes + ((now() - at) * rate() * SHARE) / 8_000)
      at = now()
      if (bytes < size) return false
      bytes -= size
      return true
    },
  }
}
