/** What remains of each text, list and record; the first level that fits is used. */
const LEVELS = [
  { characters: 1_024, items: 256, keys: 256 },
  { characters: 256, items: 64, keys: 64 },
  { characters: 64, items: 16, keys: 32 },
  { characters: 32, items: 4, keys: 32 },
]
type Level = (typeof LEVELS)[number]

/** Deeper values are left out. */
const MAX_DEPTH = 16

/**
 * A shortened copy of a JSON value whose text has `maxBytes` at most: long texts end with `…`, lists and records keep what comes
 * first. If that does not suffice, the largest fields are left out. Undefined if nothing that `isValid` fits.
 */
export function cutToFit(value: unknown, maxBytes: number, isValid: (cut: unknown) => boolean): unknown {
  const fits = (cut: unknown) => isValid(cut) && sizeOf(cut) <= maxBytes
  let cut: unknown
  for (const level of LEVELS) {
    cut = shorten(value, level, 0)
    if (fits(cut)) return cut
  }
  if (typeof cut !== 'object' || cut === null || Array.isArray(cut)) return undefined
  return withoutLargest(cut as Record<string, unknown>, fits, isValid)
}

function withoutLargest(
  cut: Record<string, unknown>,
  fits: (cut: unknown) => boolean,
  isValid: (cut: unknown) => boolean,
): unknown {
  const largestFirst = Object.keys(cut).sort((a, b) => sizeOf(cut[b]) - sizeOf(cut[a]))
  let rest = cut
  for (const key of largestFirst) {
    const { [key]: _, ...others } = rest
    if (fits(others)) return others
    // a field that must be there stays; one that is invalid in its short form goes
    if (isValid(others) || !isValid(rest)) rest = others
  }
  return undefined
}

function shorten(value: unknown, level: Level, depth: number): unknown {
  if (typeof value === 'string') return shortText(value, level.characters)
  if (typeof value !== 'object' || value === null) return value
  if (depth >= MAX_DEPTH) return undefined
  if (Array.isArray(value))
    return value.slice(0, level.items).map((item) => shorten(item, level, depth + 1) ?? null)
  const entries = Object.entries(value).filter(([key]) => key.length <= level.characters)
  return Object.fromEntries(
    entries.slice(0, level.keys).map(([key, field]) => [key, shorten(field, level, depth + 1)]),
  )
}

function shortText(text: string, characters: number): string {
  if (text.length <= characters) return text
  // a surrogate pair is not cut in two
  return `${text.slice(0, characters - 1).replace(/[\ud800-\udbff]$/, '')}…`
}

function sizeOf(value: unknown): number {
  return Buffer.byteLength(JSON.stringify(value) ?? '')
}
