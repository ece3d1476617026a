import { escapeText, round, svgFile } from '#dev/harness/plot/svg.ts'
import type { FlameNode, flameTree } from './flame-tree.ts'

const WIDTH = 1200
const ROW_HEIGHT = 16
const TITLE_HEIGHT = 44
/** Narrower frames are left out. */
const MIN_WIDTH = 1
const CHARACTER_WIDTH = 6.1
const KINDS = [
  {
    name: 'this project',
    color: '#7fb2e5',
    is: ({ file }: FlameNode) => /^(services|broker|bus|commands|lib|dev)\//.test(file),
  },
  { name: 'Node', color: '#f5b971', is: ({ file }: FlameNode) => file.startsWith('node:') },
  { name: 'packages', color: '#8fd19e', is: ({ file }: FlameNode) => file !== '' },
  { name: 'V8 and native code', color: '#e08f8f', is: () => true },
] as const

interface Options {
  title: string
  /** Percent of the time that the whole width stands for, so that two graphs compare; the time of the work unless set. */
  full?: number
}

/**
 * The call stacks as a picture: width is time, callers are below what they call. Each frame has its figures as a tooltip. A profile samples
 * by the clock, so that on a busy machine the time includes waiting for a CPU.
 */
export function flameGraph({ root, wall }: ReturnType<typeof flameTree>, { title, full }: Options): string {
  const whole = full === undefined ? root.total : (wall * full) / 100
  const frames: { node: FlameNode; x: number; depth: number }[] = []
  const place = (node: FlameNode, x: number, depth: number) => {
    if ((node.total / whole) * WIDTH < MIN_WIDTH) return
    frames.push({ node, x, depth })
    let left = x
    for (const child of node.children) {
      place(child, left, depth + 1)
      left += child.total
    }
  }
  place(root, 0, 0)
  const rows = Math.max(...frames.map(({ depth }) => depth), 0) + 1
  const height = TITLE_HEIGHT + rows * ROW_HEIGHT
  const percent = (time: number) => `${round((time / wall) * 100)} %`
  const drawn = frames.map(({ node, x, depth }) => {
    const [left, width] = [round((x / whole) * WIDTH), round((node.total / whole) * WIDTH)]
    const top = height - (depth + 1) * ROW_HEIGHT
    const place = [node.file, node.line > 0 ? `:${node.line}` : ''].join('')
    const tip = `${node.name}${place && ` ${place}`}: ${percent(node.total)} of the time, ${percent(node.self)} in itself`
    const color = KINDS.find(({ is }) => is(node))?.color
    const shown = label(node, width)
    return `<g><title>${escapeText(tip)}</title><rect x="${left}" y="${top}" width="${width}" height="${ROW_HEIGHT - 1}" fill="${color}"/>${shown && `<text x="${left + 3}" y="${top + 11}" font-size="10">${escapeText(shown)}</text>`}</g>`
  })
  const legend = KINDS.map(
    ({ name, color }, i) => `<rect x="${8 + i * 150}" y="26" width="10" height="10" fill="${color}"/>
<text x="${23 + i * 150}" y="35">${name}</text>`,
  )
  const heading = `<text x="8" y="16" font-weight="bold">${escapeText(title)}: ${percent(root.total)} of the time${full === undefined ? '' : `; the whole width is ${full} %`}</text>`
  return svgFile([{ height, body: [heading, ...legend, ...drawn].join('\n') }], WIDTH)
}

/** As much of the name and its file as fits. */
function label({ name, file }: FlameNode, width: number): string {
  const room = Math.floor((width - 6) / CHARACTER_WIDTH)
  if (room < 3) return ''
  const whole = file === '' ? name : `${name} ${file}`
  return whole.length <= room ? whole : name.length <= room ? name : `${name.slice(0, room - 1)}…`
}
