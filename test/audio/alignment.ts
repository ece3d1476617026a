/** Samples that are correlated first: each is the sum of so many. */
const COARSE = 8
const SECOND = 48_000

interface Match {
  /** Normalized, 0 to 1. */
  correlation: number
  /** Of the first sample, in what was played. */
  position: number
}

export interface Alignment extends Match {
  /** Of the first sample of the second, in what was heard. */
  at: number
}

/**
 * Where each second of `heard` is found in `played` (both 48 kHz), and how well it matches there. The positions between which it
 * is sought are `expected` ± `range`, in samples. A delay that changes between two seconds costs nothing, one that changes within
 * a second costs correlation. A second that is mostly silence has no alignment.
 */
export function alignments(
  heard: Int16Array,
  played: Int16Array,
  { expected, range }: { expected(position: number): number; range: number },
): Alignment[] {
  const [coarseHeard, coarsePlayed] = [decimate(heard), decimate(played)]
  const found: Alignment[] = []
  for (let at = 0; at + SECOND <= heard.length; at += SECOND) {
    const part = heard.subarray(at, at + SECOND)
    if (part.filter((sample) => Math.abs(sample) > 500).length < SECOND / 4) continue
    const from = Math.max(0, Math.round(expected(at) - range))
    const to = Math.min(played.length - SECOND, Math.round(expected(at) + range))
    if (to < from) continue
    const coarse = best(
      coarseHeard.subarray(at / COARSE, (at + SECOND) / COARSE),
      coarsePlayed,
      Math.floor(from / COARSE),
      Math.ceil(to / COARSE),
    )
    const near = coarse.position * COARSE
    found.push({ at, ...best(part, played, Math.max(0, near - COARSE), near + COARSE) })
  }
  return found
}

/** The position of `part` in `whole`, from `from` to `to`, with the largest correlation. */
function best(part: ArrayLike<number>, whole: ArrayLike<number>, from: number, to: number): Match {
  let found = { correlation: 0, position: from }
  const energy = sumOf(part.length, (i) => (part[i] ?? 0) ** 2)
  for (let position = from; position <= to; position++) {
    const product = sumOf(part.length, (i) => (part[i] ?? 0) * (whole[position + i] ?? 0))
    if (product <= 0) continue
    const other = sumOf(part.length, (i) => (whole[position + i] ?? 0) ** 2)
    const correlation = product / Math.sqrt(energy * other)
    if (correlation > found.correlation) found = { correlation, position }
  }
  return found
}

function sumOf(count: number, value: (i: number) => number): number {
  let sum = 0
  for (let i = 0; i < count; i++) sum += value(i)
  return sum
}

function decimate(samples: Int16Array): Float64Array {
  const sums = new Float64Array(Math.floor(samples.length / COARSE))
  for (let i = 0; i < sums.length; i++) {
    for (let k = 0; k < COARSE; k++) sums[i] = (sums[i] ?? 0) + (samples[i * COARSE + k] ?? 0)
  }
  return sums
}
