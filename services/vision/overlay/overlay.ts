import type { Detections } from '#bus/messages.ts'
import { type Rgb, toYuv } from '../colour.ts'
import type { Planes } from '../pixels.ts'
import { type Glyphs, glyphsOf } from './glyphs.ts'
import { blendMask, fillRect, type Rect, strokeRect } from './paint.ts'

type Detection = Detections['objects'][number]

/** Bright enough for dark letters on them. */
const COLOURS: readonly Rgb[] = [
  [90, 230, 120],
  [255, 175, 60],
  [90, 200, 255],
  [255, 150, 190],
  [240, 230, 90],
]
const BLACK = 16
const WHITE = 235

/** Draws boxes with label and score, and the time, into a picture of any size. `time` in ms since the epoch. */
export function paintOverlay(planes: Planes, detections: readonly Detection[], time: number): void {
  const glyphs = glyphsOf(textSize(planes.height))
  for (const detection of detections) paintDetection(planes, glyphs, detection)
  paintClock(planes, glyphs, time)
}

/** Writes lines into the middle of a picture. */
export function paintLines(planes: Planes, lines: readonly string[]): void {
  const glyphs = glyphsOf(textSize(planes.height))
  const top = (planes.height - lines.length * glyphs.height) / 2
  for (const [i, line] of lines.entries()) {
    const shown = line.slice(0, Math.floor(planes.width / glyphs.width) - 2)
    const left = (planes.width - shown.length * glyphs.width) / 2
    paintText(planes, glyphs, { x: left, y: top + i * glyphs.height }, shown, WHITE)
  }
}

function textSize(height: number): number {
  return Math.max(12, Math.round(height / 26))
}

function paintDetection(planes: Planes, glyphs: Glyphs, { label, score, box }: Detection): void {
  const [x, y, width, height] = box
  const rect = {
    x: x * planes.width,
    y: y * planes.height,
    width: width * planes.width,
    height: height * planes.height,
  }
  const colour = toYuv(colourOf(label), planes.matrix)
  strokeRect(planes, rect, Math.max(2, Math.round(planes.height / 360) * 2), colour)
  const text = `${label} ${Math.round(score * 100)}%`
  const tag = tagRect(planes, glyphs, rect, text)
  fillRect(planes, tag, colour)
  paintText(planes, glyphs, { x: tag.x + glyphs.width / 2, y: tag.y }, text, BLACK)
}

/** Above the box, or inside it where there is no room above. */
function tagRect(planes: Planes, glyphs: Glyphs, box: Rect, text: string): Rect {
  const width = (text.length + 1) * glyphs.width
  const { height } = glyphs
  return {
    x: Math.max(0, Math.min(box.x, planes.width - width)),
    y: box.y >= height ? box.y - height : Math.max(0, box.y),
    width,
    height,
  }
}

function paintClock(planes: Planes, glyphs: Glyphs, time: number): void {
  const text = formatTime(time)
  const rect = {
    x: glyphs.width / 2,
    y: planes.height - glyphs.height * 1.5,
    width: (text.length + 1) * glyphs.width,
    height: glyphs.height,
  }
  fillRect(planes, rect, [BLACK + 24, 128, 128])
  paintText(planes, glyphs, { x: rect.x + glyphs.width / 2, y: rect.y }, text, WHITE)
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

function colourOf(label: string): Rgb {
  let hash = 0
  for (const character of label) hash = (hash * 31 + character.charCodeAt(0)) >>> 0
  return COLOURS[hash % COLOURS.length] ?? [255, 255, 255]
}
