/** What all plots share: sizes, colors, and the frame of the file. */

/** Distinguishable with any color vision, on light and dark pages (Okabe and Ito). */
const COLORS = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9', '#888888', '#f0e442']

export const WIDTH = 760
const TITLE_HEIGHT = 24

export function colorOf(index: number): string {
  return COLORS[index % COLORS.length] ?? '#000000'
}

/** A whole file: the drawings one below the other on white, each with its height in pixels. */
export function svgFile(drawings: readonly { height: number; body: string }[], width = WIDTH): string {
  let top = 0
  const groups = drawings.map(({ height, body }) => {
    const group = `<g transform="translate(0 ${top})">\n${body}\n</g>`
    top += height
    return group
  })
  const size = `width="${width}" height="${top}" viewBox="0 0 ${width} ${top}"`
  return `<svg xmlns="http://www.w3.org/2000/svg" ${size} font-family="sans-serif" font-size="11">
<rect width="100%" height="100%" fill="white"/>
${groups.join('\n')}
</svg>
`
}

export function titleAt(x: number, title: string): string {
  return `<text x="${x}" y="${TITLE_HEIGHT - 8}" font-weight="bold">${escapeText(title)}</text>`
}

/** One entry of a legend: a square of the color, and the name. */
export function legendEntry(x: number, y: number, index: number, name: string): string {
  return `<rect x="${x}" y="${y - 8}" width="10" height="10" fill="${colorOf(index)}"/>
<text x="${x + 15}" y="${y + 1}">${escapeText(name)}</text>`
}

/** The next of these multiples of a power of ten, whose quarters are short numbers. */
export function niceCeiling(value: number): number {
  if (!(value > 0) || !Number.isFinite(value)) return 1
  const power = 10 ** Math.floor(Math.log10(value))
  return round(
    ([1, 1.2, 1.6, 2, 2.4, 3.2, 4, 5, 6, 8].find((step) => step * power >= value) ?? 10) * power,
    9,
  )
}

export function round(value: number, digits = 2): number {
  return Number(value.toFixed(digits))
}

export function escapeText(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;')
}
