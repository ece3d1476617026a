/** A point of a contour, in units of the font; y points up. Points off the curve control a quadratic one. */
export interface OutlinePoint {
  x: number
  y: number
  onCurve: boolean
}

/** The outlines of a TrueType font, as far as printable ASCII needs them. */
export interface Outlines {
  unitsPerEm: number
  ascender: number
  descender: number
  /** Width of a character; the font has one for all. */
  advance: number
  /** Closed contours, filled by the non-zero rule. */
  contoursOf(character: string): OutlinePoint[][]
}

/** Flags of a point. OpenType 1.9, glyf. */
const ON_CURVE = 0x01
const X_SHORT = 0x02
const Y_SHORT = 0x04
const REPEAT = 0x08
const X_SAME_OR_POSITIVE = 0x10
const Y_SAME_OR_POSITIVE = 0x20

/** Reads a font with one width for all characters and without glyphs that are made of others. Throws where it has none. */
export function readOutlines(font: Buffer): Outlines {
  const table = tablesOf(font)
  const head = table('head')
  const hhea = table('hhea')
  const loca = table('loca')
  const glyf = table('glyf')
  const indexOf = readCharacterMap(table('cmap'))
  const hasLongOffsets = head.readInt16BE(50) === 1
  const offset = (glyph: number) =>
    hasLongOffsets ? loca.readUInt32BE(glyph * 4) : loca.readUInt16BE(glyph * 2) * 2
  return {
    unitsPerEm: head.readUInt16BE(18),
    ascender: hhea.readInt16BE(4),
    descender: hhea.readInt16BE(6),
    advance: table('hmtx').readUInt16BE(0),
    contoursOf(character) {
      const glyph = indexOf(character.charCodeAt(0))
      return readContours(glyf.subarray(offset(glyph), offset(glyph + 1)))
    },
  }
}

function tablesOf(font: Buffer): (tag: string) => Buffer {
  const tables = new Map<string, Buffer>()
  for (let i = 0; i < font.readUInt16BE(4); i++) {
    const entry = 12 + i * 16
    const start = font.readUInt32BE(entry + 8)
    tables.set(
      font.toString('latin1', entry, entry + 4),
      font.subarray(start, start + font.readUInt32BE(entry + 12)),
    )
  }
  return (tag) => {
    const found = tables.get(tag)
    if (!found) throw new Error(`a font without the table ${tag}`)
    return found
  }
}

/** Glyph indexes by character code: the Unicode subtable of format 4. */
function readCharacterMap(cmap: Buffer): (code: number) => number {
  const count = cmap.readUInt16BE(2)
  const subtables = Array.from({ length: count }, (_, i) => cmap.subarray(cmap.readUInt32BE(4 + i * 8 + 4)))
  const subtable = subtables.find((one) => one.readUInt16BE(0) === 4)
  if (!subtable) throw new Error('a font without a character map of format 4')
  // four arrays of segments, of this many bytes each; the last segment ends at the largest code
  const bytes = subtable.readUInt16BE(6)
  const [ends, starts, deltas, ranges] = [14, 16 + bytes, 16 + bytes * 2, 16 + bytes * 3]
  return (code) => {
    let at = 0
    while (code > subtable.readUInt16BE(ends + at)) at += 2
    const start = subtable.readUInt16BE(starts + at)
    if (code < start) return 0
    const range = subtable.readUInt16BE(ranges + at)
    const position = ranges + at + range + (code - start) * 2
    const base = range === 0 ? code : subtable.readUInt16BE(position)
    return base === 0 ? 0 : (base + subtable.readUInt16BE(deltas + at)) & 0xffff
  }
}

function readContours(glyph: Buffer): OutlinePoint[][] {
  if (glyph.length === 0) return []
  const contours = glyph.readInt16BE(0)
  if (contours < 0) throw new Error('a glyph that is made of others')
  const ends = Array.from({ length: contours }, (_, i) => glyph.readUInt16BE(10 + i * 2))
  const points = readPoints(glyph, 10 + contours * 2, (ends.at(-1) ?? -1) + 1)
  return ends.map((end, i) => points.slice((ends[i - 1] ?? -1) + 1, end + 1))
}

function readPoints(glyph: Buffer, instructions: number, count: number): OutlinePoint[] {
  let at = instructions + 2 + glyph.readUInt16BE(instructions)
  const flags: number[] = []
  while (flags.length < count) {
    const flag = glyph.readUInt8(at++)
    const times = flag & REPEAT ? glyph.readUInt8(at++) + 1 : 1
    for (let i = 0; i < times; i++) flags.push(flag)
  }
  const coordinates = (isShort: number, isSameOrPositive: number) => {
    let position = 0
    return flags.map((flag) => {
      if (flag & isShort) position += glyph.readUInt8(at++) * (flag & isSameOrPositive ? 1 : -1)
      else if (!(flag & isSameOrPositive)) {
        position += glyph.readInt16BE(at)
        at += 2
      }
      return position
    })
  }
  const xs = coordinates(X_SHORT, X_SAME_OR_POSITIVE)
  const ys = coordinates(Y_SHORT, Y_SAME_OR_POSITIVE)
  return flags.map((flag, i) => ({ x: xs[i] ?? 0, y: ys[i] ?? 0, onCurve: (flag & ON_CURVE) !== 0 }))
}
