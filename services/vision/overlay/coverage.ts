import type { OutlinePoint } from './outlines.ts'
import type { Mask } from './paint.ts'

interface Point {
  x: number
  y: number
}

/** Lines for each curve: at most 0.03 pixels from it at the sizes of text in a frame. */
const LINES_PER_CURVE = 8

/**
 * How much of each pixel the contours cover. `place` maps a point of a contour to pixels, y downwards; what is outside of the mask
 * is cut off.
 */
export function coverageOf(
  contours: readonly OutlinePoint[][],
  { width, height }: { width: number; height: number },
  place: (point: Point) => Point,
): Mask {
  // in each pixel the change of the covered area from its left neighbor; their sum along a row is the coverage
  const changes = new Float32Array((width + 2) * height)
  for (const contour of contours) {
    const path = flatten(contour).map(place)
    for (const [i, to] of path.entries()) addEdge(changes, { width, height }, path.at(i - 1) ?? to, to)
  }
  const alpha = new Uint8Array(width * height)
  for (let y = 0; y < height; y++) {
    let sum = 0
    for (let x = 0; x < width; x++) {
      sum += changes[y * (width + 2) + x] ?? 0
      alpha[y * width + x] = Math.round(Math.min(1, Math.abs(sum)) * 255)
    }
  }
  return { width, height, alpha }
}

/** The points of a closed contour with its curves as lines. Between two points off the curve lies one on it. */
function flatten(contour: readonly OutlinePoint[]): Point[] {
  const whole = contour.flatMap((point, i) => {
    const before = contour.at(i - 1) ?? point
    return point.onCurve || before.onCurve ? [point] : [{ ...middle(before, point), onCurve: true }, point]
  })
  const first = whole.findIndex(({ onCurve }) => onCurve)
  const points = [...whole.slice(first), ...whole.slice(0, first + 1)]
  return points.flatMap((point, i) => {
    const from = points[i - 1]
    const to = points[i + 1]
    if (point.onCurve) return [point]
    return from && to ? curve(from, point, to) : []
  })
}

function middle(a: Point, b: Point): Point {
  return { x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 }
}

/** Points of a quadratic curve, without its ends. */
function curve(from: Point, control: Point, to: Point): Point[] {
  return Array.from({ length: LINES_PER_CURVE - 1 }, (_, i) => {
    const t = (i + 1) / LINES_PER_CURVE
    const [a, b, c] = [(1 - t) ** 2, 2 * t * (1 - t), t ** 2]
    return { x: a * from.x + b * control.x + c * to.x, y: a * from.y + b * control.y + c * to.y }
  })
}

/** Adds the area to the right of an edge, row by row; edges upwards count negative. */
function addEdge(
  changes: Float32Array,
  { width, height }: { width: number; height: number },
  from: Point,
  to: Point,
): void {
  if (from.y === to.y) return
  const direction = from.y < to.y ? 1 : -1
  const [top, bottom] = direction > 0 ? [from, to] : [to, from]
  const slope = (bottom.x - top.x) / (bottom.y - top.y)
  const last = Math.min(height, Math.ceil(bottom.y))
  for (let row = Math.max(0, Math.floor(top.y)); row < last; row++) {
    const [y0, y1] = [Math.max(row, top.y), Math.min(row + 1, bottom.y)]
    const [a, b] = [top.x + (y0 - top.y) * slope, top.x + (y1 - top.y) * slope]
    const clipped = (x: number) => Math.max(0, Math.min(width, x))
    addSpan(
      changes,
      row * (width + 2),
      [clipped(Math.min(a, b)), clipped(Math.max(a, b))],
      direction * (y1 - y0),
    )
  }
}

/** An edge from `left` to `right` within one row, whose height in it is `area`. */
function addSpan(changes: Float32Array, row: number, [left, right]: [number, number], area: number): void {
  const add = (x: number, amount: number) => {
    changes[row + x] = (changes[row + x] ?? 0) + amount
  }
  const width = right - left
  for (let x = Math.floor(left); x <= Math.floor(right); x++) {
    const [l, r] = [Math.max(left, x), Math.min(right, x + 1)]
    const share = width === 0 ? 1 : Math.max(0, r - l) / width
    const covered = x + 1 - (l + r) / 2
    // this pixel gets what the edge covers of it, the next one the rest
    add(x, area * share * covered)
    add(x + 1, area * share * (1 - covered))
  }
}
