import { fileURLToPath } from 'node:url'
import { createCanvas, GlobalFonts } from '@napi-rs/canvas'
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
const FONT_FILE = fileURLToPath(new URL('./fonts/DejaVuSansMono-Bold.ttf', import.meta.url))
const FAMILY = 'wimz-mono'
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
  if (!GlobalFonts.has(FAMILY) && !GlobalFonts.registerFromPath(FONT_FILE, FAMILY)) {
    throw new Error(`cannot read ${FONT_FILE}`)
  }
  const font = `${size}px ${FAMILY}`
  const measure = createCanvas(1, 1).getContext('2d')
  measure.font = font
  const width = Math.ceil(measure.measureText('M').width)
  const height = Math.ceil((size * 1.25) / 2) * 2
  const masks: Mask[] = []
  for (let code = FIRST; code <= LAST; code++) {
    const context = createCanvas(width, height).getContext('2d')
    context.font = font
    context.textBaseline = 'middle'
    context.fillText(String.fromCharCode(code), 0, height / 2)
    const { data } = context.getImageData(0, 0, width, height)
    masks.push({
      width,
      height,
      alpha: Uint8Array.from({ length: width * height }, (_, i) => data[i * 4 + 3] ?? 0),
    })
  }
  const fallback = masks['?'.charCodeAt(0) - FIRST] ?? { width: 0, height: 0, alpha: new Uint8Array() }
  return { width, height, mask: (character) => masks[character.charCodeAt(0) - FIRST] ?? fallback }
}
