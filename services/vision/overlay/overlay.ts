import type { Detections } from '#bus/messages.ts'
import { type Rgb, toYuv } from '../image/color.ts'
import type { Planes } from '../image/pixels.ts'
import { type Glyphs, glyphsOf, toAscii } from './glyphs.ts'
import { blendMask, fillRect, type Rect, strokeRect } from './paint.ts'

type Detection = Detections['objects'][number]

/** The contents of the overlay. */
export interface Scene {
  /** Objects with their boxes in this frame. */
  objects: readonly Detection[]
  /** Capture time, ms since the epoch. */
  time: number
  /** The robot's mode, if known. */
  mode?: string | undefined
  /** The name to show for a label, if the owner has given one. */
  nameOf?(label: string): string | undefined
}

/** Bright enough for dark letters, distinguishable with color blindness: after Wong, Nature Methods 8, 441. */
const COLORS: readonly Rgb[] = [
  [240, 228, 66],
  [86, 200, 255],
  [255, 175, 60],
  [90, 230, 150],
  [255, 150, 190],
]
/** Fixed, so that these labels never share a color. */
const COLOR_OF: Readonly<Record<string, number>> = { dog: 0, cat: 1, person: 2 }
const BANNER: Rgb = [255, 175, 60]
const BLACK = 16
const WHITE = 235
const DARK = [BLACK + 24, 128, 128] as const
const MAX_TEXT_LENGTH = 40

/** Draws boxes with name, score and track, the robot's mode and the time into a frame of any size. */
export function paintOverlay(planes: Planes, { objects, time, mode, nameOf }: Scene): void {
  const glyphs = glyphsOf(textSize(planes.height))
  for (const { label, box } of objects) {
    strokeRect(planes, toRect(planes, box), lineOf(planes), colorOf(label, planes))
  }
  // text last, so that no line crosses it
  const taken: Rect[] = [paintClock(planes, glyphs, time)]
  if (mode) taken.push(paintMode(planes, glyphs, mode))
  for (const object of objects) taken.push(paintTag(planes, glyphs, { object, nameOf, taken }))
}

/** Draws centered lines of text. */
export function paintLines(planes: Planes, lines: readonly string[]): void {
  const glyphs = glyphsOf(textSize(planes.height))
  const top = (planes.height - lines.length * glyphs.height) / 2
  for (const [i, line] of lines.entries()) {
    const shown = toAscii(line).slice(0, Math.max(0, Math.floor(planes.width / glyphs.width) - 2))
    const left = (planes.width - shown.length * glyphs.width) / 2
    paintText(planes, glyphs, { x: left, y: top + i * glyphs.height }, shown, WHITE)
  }
}

function textSize(height: number): number {
  return Math.max(14, Math.round(height / 26))
}

function lineOf({ height }: Planes): number {
  return Math.max(2, Math.round(height / 360) * 2)
}

function toRect(planes: Planes, [x, y, width, height]: Detection['box']): Rect {
  return {
    x: x * planes.width,
    y: y * planes.height,
    width: width * planes.width,
    height: height * planes.height,
  }
}

function paintTag(
  planes: Planes,
  glyphs: Glyphs,
  { object, nameOf, taken }: { object: Detection; taken: readonly Rect[]; nameOf: Scene['nameOf'] },
): Rect {
  const { label, score, box, track_id } = object
  const name = toAscii(nameOf?.(label) ?? label).slice(0, MAX_TEXT_LENGTH)
  const text = `${name} ${Math.round(score * 100)}%${track_id === null ? '' : ` #${track_id}`}`
  const rect = placeTag(planes, glyphs, { box: toRect(planes, box), text, taken })
  paintChip(planes, glyphs, { rect, text, color: colorOf(label, planes), luma: BLACK })
  return rect
}

/** Above the box, else inside it, else below it, where it overlaps no other text; always inside the frame. */
function placeTag(
  planes: Planes,
  glyphs: Glyphs,
  { box, text, taken }: { box: Rect; text: string; taken: readonly Rect[] },
): Rect {
  const { height } = glyphs
  const width = widthOf(glyphs, text)
  const x = Math.max(0, Math.min(box.x, planes.width - width))
  const lowest = Math.max(0, planes.height - height)
  const tops = [box.y - height, box.y, box.y + box.height, box.y + box.height - height]
  const places = tops.map((y) => ({ x, y: Math.max(0, Math.min(y, lowest)), width, height }))
  const free = places.find((place) => !taken.some((other) => overlap(place, other)))
  return free ?? places[0] ?? { x, y: 0, width, height }
}

function overlap(a: Rect, b: Rect): boolean {
  return a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height
}

/** Lower left corner. */
function paintClock(planes: Planes, glyphs: Glyphs, time: number): Rect {
  const text = formatTime(time)
  const rect = {
    x: glyphs.width / 2,
    y: bottomLine(planes, glyphs),
    width: widthOf(glyphs, text),
    height: glyphs.height,
  }
  paintChip(planes, glyphs, { rect, text, color: DARK, luma: WHITE })
  return rect
}

/** Lower right corner. */
function paintMode(planes: Planes, glyphs: Glyphs, mode: string): Rect {
  const text = toAscii(mode).replaceAll('_', ' ').toUpperCase().slice(0, MAX_TEXT_LENGTH)
  const width = widthOf(glyphs, text)
  const x = planes.width - width - glyphs.width / 2
  const rect = { x, y: bottomLine(planes, glyphs), width, height: glyphs.height }
  paintChip(planes, glyphs, { rect, text, color: toYuv(BANNER, planes.matrix), luma: BLACK })
  return rect
}

function bottomLine(planes: Planes, glyphs: Glyphs): number {
  return planes.height - glyphs.height * 1.5
}

function widthOf(glyphs: Glyphs, text: string): number {
  return (text.length + 1) * glyphs.width
}

interface Chip {
  rect: Rect
  text: string
  color: readonly [number, number, number]
  /** Luma of the letters. */
  luma: number
}

/** Draws text on a filled rectangle. */
function paintChip(planes: Planes, glyphs: Glyphs, { rect, text, color, luma }: Chip): void {
  fillRect(planes, rect, color)
  paintText(planes, glyphs, { x: rect.x + glyphs.width / 2, y: rect.y }, text, luma)
}

/** Local time, `2026-03-01 12:34:56`. */
function formatTime(time: number): string {
  const date = new Date(time)
  const two = (n: number) => String(n).padStart(2, '0')
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`
}

function paintText(
  planes: Planes,
  glyphs: Glyphs,
  { x, y }: { x: number; y: number },
  text: string,
  luma: number,
): void {
  const left = Math.round(x)
  const top = Math.round(y)
  for (let i = 0; i < text.length; i++) {
    blendMask(planes, left + i * glyphs.width, top, glyphs.mask(text.charAt(i)), luma)
  }
}

function colorOf(label: string, { matrix }: Planes): [number, number, number] {
  let hash = COLOR_OF[label] ?? 0
  if (!(label in COLOR_OF)) for (const character of label) hash = (hash * 31 + character.charCodeAt(0)) >>> 0
  return toYuv(COLORS[hash % COLORS.length] ?? BANNER, matrix)
}
