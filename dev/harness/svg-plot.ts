/** One line of a panel; `points` in the order of x. */
export interface Line {
  name: string
  points: readonly (readonly [x: number, y: number])[]
}

/** One diagram; y starts at 0. */
export interface Panel {
  title: string
  x: string
  lines: readonly Line[]
}

const WIDTH = 760
const HEIGHT = 220
const MARGIN = { left: 60, right: 150, top: 30, bottom: 40 }
const PLOT = { width: WIDTH - MARGIN.left - MARGIN.right, height: HEIGHT - MARGIN.top - MARGIN.bottom }
const TICKS = 4
/** Distinguishable with any color vision, on light and dark pages (Okabe and Ito). */
const COLORS = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9', '#888888', '#f0e442']

/** The diagrams one below the other. */
export function svgPlot(panels: readonly Panel[]): string {
  const all = panels.map((panel, i) => `<g transform="translate(0 ${i * HEIGHT})">${draw(panel)}</g>`)
  const size = `width="${WIDTH}" height="${panels.length * HEIGHT}"`
  return `<svg xmlns="http://www.w3.org/2000/svg" ${size} font-family="sans-serif" font-size="11">
<rect width="100%" height="100%" fill="white"/>
${all.join('\n')}
</svg>
`
}

function draw({ title, x, lines }: Panel): string {
  const xs = lines.flatMap(({ points }) => points.map(([at]) => at))
  const ys = lines.flatMap(({ points }) => points.map(([, y]) => y)).filter(Number.isFinite)
  const [left, right] = [Math.min(...xs, 0), Math.max(...xs, 1)]
  const top = niceCeiling(Math.max(...ys, 0))
  const toX = (at: number) => MARGIN.left + ((at - left) / (right - left)) * PLOT.width
  const toY = (y: number) => MARGIN.top + PLOT.height - (y / top) * PLOT.height
  const parts = [`<text x="${MARGIN.left}" y="16" font-weight="bold">${escapeText(title)}</text>`]
  for (let i = 0; i <= TICKS; i++) {
    const [y, at] = [(top * i) / TICKS, left + ((right - left) * i) / TICKS]
    const line = `x1="${MARGIN.left}" x2="${MARGIN.left + PLOT.width}" y1="${round(toY(y))}" y2="${round(toY(y))}"`
    parts.push(`<line ${line} stroke="#ddd"/>`)
    parts.push(
      `<text x="${MARGIN.left - 6}" y="${round(toY(y)) + 4}" text-anchor="end">${round(y)}</text>`,
      `<text x="${round(toX(at))}" y="${HEIGHT - 22}" text-anchor="middle">${round(at)}</text>`,
    )
  }
  parts.push(
    `<text x="${MARGIN.left + PLOT.width / 2}" y="${HEIGHT - 6}" text-anchor="middle">${escapeText(x)}</text>`,
  )
  for (const [i, { name, points }] of lines.entries()) {
    const color = COLORS[i % COLORS.length]
    const path = points
      .filter(([, y]) => Number.isFinite(y))
      .map(([at, y]) => `${round(toX(at))},${round(toY(y))}`)
    parts.push(`<polyline points="${path.join(' ')}" fill="none" stroke="${color}" stroke-width="1.5"/>`)
    const [legendX, legendY] = [MARGIN.left + PLOT.width + 12, MARGIN.top + 8 + i * 16]
    parts.push(
      `<rect x="${legendX}" y="${legendY - 8}" width="10" height="10" fill="${color}"/>`,
      `<text x="${legendX + 15}" y="${legendY + 1}">${escapeText(name)}</text>`,
    )
  }
  return parts.join('\n')
}

/** The next of 1, 2, 4, 5, 8 or 10 times a power of ten. */
function niceCeiling(value: number): number {
  if (value <= 0) return 1
  const power = 10 ** Math.floor(Math.log10(value))
  return ([1, 2, 4, 5, 8].find((step) => step * power >= value) ?? 10) * power
}

function round(value: number): number {
  return Math.round(value * 100) / 100
}

function escapeText(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
}
