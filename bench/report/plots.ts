/** The plots of the report as SVG, by the name of the file, from what the benchmarks left. */
import { type Bars, barPlot } from '#dev/harness/plot/bar-plot.ts'
import { linePlot, type Panel } from '#dev/harness/plot/line-plot.ts'
import type { GrowthRow } from '../growth/row.ts'
import type { ViewersRow } from '../viewers/row.ts'

/** Highest CPU in the plot of viewers: aiortc leaves it with the second viewer. */
const MAX_CPU_PERCENT = 100

/** CPU, gaps and jitter by number of viewers, each server a line. */
export function viewersPlot(rows: readonly ViewersRow[]): string {
  const panel = (title: string, of: (row: ViewersRow) => number): Panel => ({
    title,
    x: 'viewers',
    scale: 'log2',
    dots: true,
    lines: [...Map.groupBy(rows, ({ server }) => server)].map(([name, list]) => ({
      name,
      points: list.map((row) => [row.viewers, of(row)] as const),
    })),
  })
  return linePlot([
    { ...panel('CPU of the server, % of one core', ({ cpu }) => cpu), top: MAX_CPU_PERCENT },
    panel('Gap between two frames, p99, ms', ({ gapP99 }) => gapP99),
    panel('Jitter of frames, p99, ms', ({ jitterP99 }) => jitterP99),
    panel('Memory of the server (RSS), MiB', ({ rssMiB }) => rssMiB),
  ])
}

/** The rows of `soak.csv`, as text cells by column. */
export function parseCsv(csv: string): Record<string, string>[] {
  const [header = '', ...lines] = csv.trim().split('\n')
  const keys = header.split(',')
  return lines.map((line) => {
    const cells = line.split(',')
    return Object.fromEntries(keys.map((key, i) => [key, cells[i] ?? '']))
  })
}

/** Each figure of a soak over time, each process a line. */
export function soakPlot(csv: string): string {
  const samples = parseCsv(csv)
  const panel = (title: string, column: string): Panel => ({
    title,
    x: 'minutes',
    lines: [...Map.groupBy(samples, (sample) => sample.process ?? '')]
      .map(([name, of]) => {
        const filled = of.filter((sample) => sample[column])
        return {
          name,
          points: filled.map((sample) => [Number(sample.seconds) / 60, Number(sample[column])] as const),
        }
      })
      .filter(({ points }) => points.length > 0),
  })
  const load = panel('Load average', 'load')
  return linePlot([
    panel('Memory (RSS), MiB', 'rss_mib'),
    panel('Memory (PSS), MiB', 'pss_mib'),
    panel('Descriptors', 'descriptors'),
    panel('CPU, % of one core', 'cpu_percent'),
    panel('Lag of the event loop, p99, ms', 'loop_lag_p99_ms'),
    panel('Frames a second: at the viewer, of the camera', 'fps'),
    panel(
      'Latency, p95, ms: frame published, frame sent, command answered, message passed',
      'latency_p95_ms',
    ),
    { ...load, lines: load.lines.slice(0, 1).map((line) => ({ ...line, name: 'machine' })) },
  ])
}

/** One fault of `npm run chaos`: times to recovery in ms. */
export interface ChaosRow {
  fault: string
  count: number
  median: number
  worst: number
}

export function chaosPlot(rows: readonly ChaosRow[]): string {
  const seconds = (ms: number) => ms / 1000
  return barPlot([
    {
      title: 'Time to recovery by fault',
      x: 'seconds from the end of the fault to steady video and an answered command',
      series: ['median', 'worst'],
      rows: rows.map(({ fault, count, median, worst }) => ({
        name: `${fault} (${count})`,
        values: [seconds(median), seconds(worst)],
      })),
    },
  ])
}

/** CPU of one process beside ffmpeg, or of the whole stack, by what grows. */
export function growthPlot(rows: readonly GrowthRow[]): string {
  const bars = ([title, of]: [string, GrowthRow[]]): Bars => {
    const series = [...new Set(of.flatMap(({ cpu }) => Object.keys(cpu)))]
    return {
      title,
      x: 'CPU, % of one core',
      series,
      rows: of.map(({ name, cpu }) => ({ name, values: series.map((one) => cpu[one] ?? Number.NaN) })),
    }
  }
  return barPlot([...Map.groupBy(rows, ({ group }) => group)].map(bars))
}
