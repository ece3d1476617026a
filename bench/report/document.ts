/**
 * The generated part of docs/performance.md, between its markers, and the plots in `docs/plots/`: all of it from `bench/results/`, so
 * that `npm run bench:report` renders it again without a measurement.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { PROJECT_ROOT } from '#lib/version.ts'
import type { GrowthRow } from '../growth/row.ts'
import type { ViewersRow } from '../viewers/row.ts'
import { costTable } from './cost-table.ts'
import { type CoreScore, piEstimate } from './pi-estimate.ts'
import { type ChaosRow, chaosPlot, growthPlot, soakPlot, viewersPlot } from './plots.ts'
import { RESULTS, type Result, readResult } from './result.ts'
import { describe, section } from './section.ts'
import { targetsTable } from './targets-table.ts'

const DOCUMENT = join(PROJECT_ROOT, 'docs/performance.md')
const PLOTS = join(PROJECT_ROOT, 'docs/plots')
const MARKERS = ['<!-- bench results -->', '<!-- end of bench results -->'] as const
/** Those without a part of their own below. */
const PLAIN = ['start', 'video', 'encoder', 'overload', 'broker', 'machine']

/** Writes plots and document from the results that are there. */
export function writeReport(): void {
  const document = readFileSync(DOCUMENT, 'utf8')
  const [start, end] = [document.indexOf(MARKERS[0]), document.indexOf(MARKERS[1])]
  if (start < 0 || end < start)
    throw new Error(`${DOCUMENT}: the markers ${MARKERS.join(' and ')} are missing`)
  const body = `${MARKERS[0]}\n\n${parts().join('\n')}\n`
  writeFileSync(DOCUMENT, document.slice(0, start) + body + document.slice(end))
}

function parts(): string[] {
  const viewers = readResult<ViewersRow>('viewers')
  const plain = PLAIN.flatMap((name) => readResult(name) ?? [])
  const [machine] = readResult<CoreScore>('machine')?.rows ?? []
  const inputs = { viewers, video: readResult('video'), encoder: readResult('encoder') }
  const estimate = piEstimate(machine, inputs)
  const targets = targetsTable({ ...inputs, overload: readResult('overload') })
  return [
    ...(viewers?.rows ? [costPart(viewers, viewers.rows)] : []),
    ...(targets ? [targets] : []),
    ...(viewers ? [section(viewers)] : []),
    ...plain.map((result) => section(result)),
    ...plotted<GrowthRow>('growth', 'CPU by size of the work', growthPlot),
    ...(estimate ? [estimate] : []),
    ...soakPart(),
    ...plotted<ChaosRow>('chaos', 'Time to recovery by fault', chaosPlot),
  ]
}

/** The table of the costs before and now, with the plot. */
function costPart(result: Result<ViewersRow>, rows: readonly ViewersRow[]): string {
  const plot = embed('viewers', 'CPU, gaps, jitter and memory by number of viewers', viewersPlot(rows))
  return `### What a viewer costs, before and now

CPU of the server's processes in % of one core, without camera and encoder; aiortc's include its encoders. Before: another day on the same
kind of machine, this stack with all its processes but vision; now: broker and webrtc, peers in the same run.

${describe(result)}

${costTable(rows)}

${plot}`
}

/** A result with its table, and a plot of its rows. */
function plotted<Row extends object>(
  name: string,
  alt: string,
  draw: (rows: readonly Row[]) => string,
): string[] {
  const result = readResult<Row>(name)
  if (!result) return []
  return [section(result), ...(result.rows?.length ? [embed(name, alt, draw(result.rows))] : [])]
}

function soakPart(): string[] {
  const [result, csv] = [readResult('soak'), join(RESULTS, 'soak.csv')]
  if (!existsSync(csv)) return []
  const plot = embed('soak', 'Memory, lag, frames and latency over time', soakPlot(readFileSync(csv, 'utf8')))
  return [result ? section(result) : '### Soak\n', plot]
}

function embed(name: string, alt: string, svg: string): string {
  mkdirSync(PLOTS, { recursive: true })
  writeFileSync(join(PLOTS, `${name}.svg`), svg)
  return `![${alt}](plots/${name}.svg)\n`
}
