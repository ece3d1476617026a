import { colorOf, escapeText, legendEntry, niceCeiling, round, svgFile, titleAt, WIDTH } from './svg.ts'

/** Horizontal bars: for each row one bar a series, in the order of `series`; a value that is not finite has none. */
export interface Bars {
  title: string
  /** What the values are, with the unit. */
  x: string
  series: readonly string[]
  rows: readonly { name: string; values: readonly number[] }[]
}

const MARGIN = { left: 290, right: 90, top: 46, bottom: 40 }
const PLOT_WIDTH = WIDTH - MARGIN.left - MARGIN.right
const BAR = { height: 8, gap: 6 }
const TICKS = 4
const LEGEND_WIDTH = 110

/** The groups of bars one below the other. */
export function barPlot(plots: readonly Bars[]): string {
  return svgFile(plots.map((bars) => ({ height: heightOf(bars), body: draw(bars) })))
}

function heightOf({ rows, series }: Bars): number {
  return MARGIN.top + rows.length * (series.length * BAR.height + BAR.gap) + MARGIN.bottom
}

function draw(bars: Bars): string {
  const { title, x, series, rows } = bars
  const height = heightOf(bars)
  const top = niceCeiling(Math.max(...rows.flatMap(({ values }) => values.filter(Number.isFinite)), 0))
  const widthOf = (value: number) => round((Math.max(0, value) / top) * PLOT_WIDTH)
  const bottom = height - MARGIN.bottom
  const grid = Array.from({ length: TICKS + 1 }, (_, i) => {
    const at = round(MARGIN.left + (PLOT_WIDTH * i) / TICKS)
    return `<line x1="${at}" x2="${at}" y1="${MARGIN.top - 6}" y2="${bottom}" stroke="#ddd"/>
<text x="${at}" y="${bottom + 16}" text-anchor="middle">${round((top * i) / TICKS)}</text>`
  })
  const legend = series.map((name, i) => legendEntry(MARGIN.left + i * LEGEND_WIDTH, 32, i, name))
  const drawn = rows.map(({ name, values }, row) => {
    const y = MARGIN.top + row * (series.length * BAR.height + BAR.gap)
    const shown = values.map((value, i) => {
      if (!Number.isFinite(value)) return ''
      const [width, barY] = [widthOf(value), y + i * BAR.height]
      return `<rect x="${MARGIN.left}" y="${barY}" width="${width}" height="${BAR.height - 1}" fill="${colorOf(i)}"/>
<text x="${MARGIN.left + width + 4}" y="${barY + BAR.height - 1}" font-size="9">${round(value, 1)}</text>`
    })
    const middle = y + (series.length * BAR.height) / 2 + 3
    return `<text x="${MARGIN.left - 8}" y="${middle}" text-anchor="end">${escapeText(name)}</text>\n${shown.join('\n')}`
  })
  const axis = `<text x="${MARGIN.left + PLOT_WIDTH / 2}" y="${height - 6}" text-anchor="middle">${escapeText(x)}</text>`
  return [titleAt(8, title), ...legend, ...grid, ...drawn, axis].join('\n')
}
