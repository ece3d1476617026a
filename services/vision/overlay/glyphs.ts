import { readFileSync } from 'node:fs'
import { coverageOf } from './coverage.ts'
import { readOutlines } from './outlines.ts'
import type { Mask } from './paint.ts'

/** Letters that Unicode does not decompose into a plain letter and marks. */
const PLAIN: Readonly<Record<string, string>> = {
  ß: 'ss',
  æ: 'ae',
  Æ: 'AE',
  œ: 'oe',
  Œ: 'OE',
  ø: 'o',
  Ø: 'O',
  ł: 'l',
  Ł: 'L',
  đ: 'd',
  Đ: 'D',
  þ: 'th',
  '‘': "'",
  '’': "'",
  '“': '"',
  '”': '"',
  '–': '-',
  '—': '-',
  '…': '...',
}

/** Printable ASCII, which is all that the overlay has: accents are dropped, other characters become `?`. */
export function toAscii(text: string): string {
  return Array.from(text.normalize('NFKD').replaceAll(/\p{Mark}/gu, ''), (character) => {
    if (character >= ' ' && character <= '~') return character
    return PLAIN[character] ?? '?'
  }).join('')
}

/** Bundled, because a minimal Debian has no fonts. */
const FONT_FILE = new URL('./fonts/DejaVuSansMono-Bold.ttf', import.meta.url)
const FIRST = 32
const LAST = 126

/** The printable ASCII characters in one size, as masks of equal width. */
export interface Glyphs {
  width: number
  height: number
  /** The mask of `?` for other characters. */
  mask(character: string): Mask
}

const cache = new Map<number, Glyphs>()

/** Glyphs of this size in pixels; cached. */
export function glyphsOf(size: number): Glyphs {
  const known = cache.get(size)
  if (known) return known
  const drawn = drawGlyphs(size)
  cache.set(size, drawn)
  return drawn
}

function drawGlyphs(size: number): Glyphs {
  const { unitsPerEm, ascender, descender, advance, contoursOf } = readOutlines(readFileSync(FONT_FILE))
  const scale = size / unitsPerEm
  const width = Math.ceil(advance * scale)
  const height = Math.ceil((size * 1.25) / 2) * 2
  // a whole number, which keeps the lower edges of letters sharp
  const baseline = Math.round(height / 2 + ((ascender + descender) / 2) * scale)
  const place = ({ x, y }: { x: number; y: number }) => ({ x: x * scale, y: baseline - y * scale })
  const masks = Array.from({ length: LAST - FIRST + 1 }, (_, i) =>
    coverageOf(contoursOf(String.fromCharCode(FIRST + i)), { width, height }, place),
  )
  const fallback = masks['?'.charCodeAt(0) - FIRST] ?? { width: 0, height: 0, alpha: new Uint8Array() }
  return { width, height, mask: (character) => masks[character.charCodeAt(0) - FIRST] ?? fallback }
}
