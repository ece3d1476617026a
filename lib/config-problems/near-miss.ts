import { distance } from 'fastest-levenshtein'

/** The one of `known` that `written` probably means: the same letters, or few wrong ones. Undefined if none is near. */
export function nearMiss(written: string, known: Iterable<string>): string | undefined {
  const letters = plain(written)
  const best = Array.from(known, (name) => ({ name, wrong: distance(letters, plain(name)) })).sort(
    (a, b) => a.wrong - b.wrong,
  )[0]
  if (!best) return undefined
  // two adjacent letters in the wrong order are two wrong ones
  return best.wrong <= (letters.length < 5 ? 1 : letters.length < 9 ? 2 : 3) ? best.name : undefined
}

function plain(name: string): string {
  return name.toLowerCase().replaceAll(/[\s_-]/g, '')
}
