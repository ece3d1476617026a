import { colorOf, escapeText, legendEntry, niceCeiling, round, svgFile, titleAt, WIDTH } from './svg.ts'

/** One line of a panel; `points` in the order of x. A point without a finite y is left out. */
interface Line {
  name: string
  points: readonly (readonly [x: number, y: number])[]
}

/** One diagram; y starts at 0. */
export interface Panel {
  title: string
  x: string
  lines: readonly Line[]
  /** `log2`, for x from 1: each doubling takes the same width, with a tick at each x of a point; `linear` unless set. */
  scale?: 'linear' | 'log2'
  /** Highest y; what is above leaves the diagram. The largest value unless set. */
  top?: number
  /** Draws a dot at each point, for few points. */
  dots?: boolean
}

const HEIGHT = 220
const MARGIN = { left: 60, right: 150, top: 30, bottom: 40 }
const PLOT = { width: WIDTH - MARGIN.left - MARGIN.right, height: HEIGHT - MARGIN.top - MARGIN.bottom }
const TICKS = 4
const LEGEND_STEP = 16
/** Radius. */
const DOT = 3

/** The diagrams one below the other. */
export function linePlot(panels: readonly Panel[]): string {
  return svgFile(panels.map((panel, i) => ({ height: HEIGHT, body: draw(panel, `frame${i}`) })))
}

/** Pixels of values, and the values that get a tick. */
export function axes({ lines, scale = 'linear', top: limit }: Pick<Panel, 'lines' | 'scale' | 'top'>) {
  const xs = [...new Set(lines.flatMap(({ points }) => points.map(([x]) => x)))].sort((a, b) => a - b)
  const ys = lines.flatMap(({ points }) => points.map(([, y]) => y)).filter(Number.isFinite)
  const top = limit ?? niceCeiling(Math.max(...ys, 0))
  const warp = (x: number) => (scale === 'log2' ? Math.log2(Math.max(1, x)) : x)
  const [first, last] =
    scale === 'log2' ? [xs[0] ?? 1, xs.at(-1) ?? 2] : [Math.min(...xs, 0), Math.max(...xs, 0)]
  const [left, right] = [warp(first), last > first ? warp(last) : warp(first) + 1]
  const between = (share: number) => left + (right - left) * share
  const shares = Array.from({ length: TICKS + 1 }, (_, i) => i / TICKS)
  return {
    toX: (x: number) => round(MARGIN.left + ((warp(x) - left) / (right - left)) * PLOT.width),
    toY: (y: number) => round(MARGIN.top + PLOT.height * (1 - y / top)),
    ticksX: scale === 'log2' ? xs : shares.map(between),
    ticksY: shares.map((share) => top * share),
  }
}

function draw(panel: Panel, id: string): string {
  const { title, x, lines, dots = false } = panel
  const { toX, toY, ticksX, ticksY } = axes(panel)
  const right = MARGIN.left + PLOT.width
  const clip = `<rect x="${MARGIN.left - DOT}" y="${MARGIN.top}" width="${PLOT.width + 2 * DOT}" height="${PLOT.height + DOT}"/>`
  const grid = ticksY.map(
    (y) => `<line x1="${MARGIN.left}" x2="${right}" y1="${toY(y)}" y2="${toY(y)}" stroke="#ddd"/>
<text x="${MARGIN.left - 6}" y="${toY(y) + 4}" text-anchor="end">${round(y)}</text>`,
  )
  const labels = ticksX.map(
    (at) => `<text x="${toX(at)}" y="${HEIGHT - 22}" text-anchor="middle">${round(at)}</text>`,
  )
  const drawn = lines.map(({ name, points }, i) => {
    const shown = points.filter(([, y]) => Number.isFinite(y)).map(([at, y]) => [toX(at), toY(y)] as const)
    const path = shown.map((point) => point.join(',')).join(' ')
    const circles = dots
      ? shown.map(([cx, cy]) => `<circle cx="${cx}" cy="${cy}" r="${DOT}" fill="${colorOf(i)}"/>`)
      : []
    return `<g clip-path="url(#${id})"><polyline points="${path}" fill="none" stroke="${colorOf(i)}" stroke-width="1.5"/>
${circles.join('\n')}</g>
${legendEntry(right + 12, MARGIN.top + 8 + i * LEGEND_STEP, i, name)}`
  })
  const axis = `<text x="${MARGIN.left + PLOT.width / 2}" y="${HEIGHT - 6}" text-anchor="middle">${escapeText(x)}</text>`
  return [
    `<clipPath id="${id}">${clip}</clipPath>`,
    titleAt(MARGIN.left, title),
    ...grid,
    ...labels,
    axis,
    ...drawn,
  ].join('\n')
}
