/**
 * What the measured CPU time would be on a Raspberry Pi 5: an estimate by public scores of single cores, for as long as nothing was
 * measured on one. Scalar code (JavaScript, the kernel) is scaled by 7-Zip; code that lives from vector instructions (x264, the
 * detector) by the same and up to twice as much, since the vectors of a Cortex-A76 are half as wide as AVX2.
 */

import type { ViewersRow } from '../viewers/row.ts'
import { numberIn, tablesIn } from './figures.ts'
import type { Result } from './result.ts'

/** 7-Zip with one thread (`7z b -mmt1 -md23`), MIPS. */
export interface CoreScore {
  compressing: number
  decompressing: number
}

/**
 * p7zip 16.02 on a Pi 5 at 2.4 GHz, the means of its dictionaries of 22 and 23 bits: sbc-bench v0.9.65, 2024-03-19. A newer 7-Zip
 * decompresses faster on x86, which only raises the upper bound.
 */
export const PI_5: CoreScore = { compressing: 3147, decompressing: 3355 }
const SOURCE =
  '[sbc-bench, Raspberry Pi 5 Model B](https://github.com/ThomasKaiser/sbc-bench/blob/master/results/1ULtUe.txt)'
const PI_CORES = 4
/** Most that half as wide vectors can add. */
const VECTOR_FACTOR = 2

interface Range {
  low: number
  high: number
}

/** How many times more CPU time the Pi 5 needs. */
export function slowdown(here: CoreScore): { scalar: Range; vector: Range } {
  const ratios = [here.compressing / PI_5.compressing, here.decompressing / PI_5.decompressing]
  const scalar = { low: Math.min(...ratios), high: Math.max(...ratios) }
  return { scalar, vector: { low: scalar.low, high: scalar.high * VECTOR_FACTOR } }
}

interface Cost {
  what: string
  /** Percent of a core, as measured. */
  scalar: number
  vector: number
}

interface Inputs {
  viewers?: Result<ViewersRow> | undefined
  video?: Result | undefined
  encoder?: Result | undefined
}

/** The costs that the results hold. */
export function costsIn({ viewers, video, encoder }: Inputs): Cost[] {
  const ours = (viewers?.rows ?? []).filter(({ server }) => server === 'ours')
  const served = ours.map(({ viewers: count, cpu }) => ({
    what: `broker and webrtc, ${count} viewer${count === 1 ? '' : 's'}`,
    scalar: cpu,
    vector: 0,
  }))
  const layer = numberIn(/one layer.*\n\s*vision\s+([\d.]+) %/.exec(encoder?.output ?? '')?.[1])
  const encoded = {
    what: 'vision, one layer of 720p15, without detector and overlay',
    scalar: 0,
    vector: layer,
  }
  return [...served, encoded, wholeStack(video)].filter(({ scalar, vector }) => scalar + vector > 0)
}

/** All processes with one viewer in Chromium, detector and overlay on. */
function wholeStack(video: Result | undefined): Cost {
  const table = tablesIn(video?.output ?? '').find(({ columns }) => columns[0] === 'process')
  const column = table?.columns.indexOf('1 viewer') ?? -1
  const cost = { what: 'all processes, one viewer, detector and overlay on', scalar: 0, vector: 0 }
  for (const cells of table?.rows ?? [])
    cost[cells[0] === 'vision' ? 'vector' : 'scalar'] += numberIn(cells[column])
  return cost
}

/** The section of the report; undefined without a score of this machine or without a cost. */
export function piEstimate(here: CoreScore | undefined, inputs: Inputs): string | undefined {
  const costs = costsIn(inputs)
  if (!here || costs.length === 0) return undefined
  const { scalar, vector } = slowdown(here)
  const range = ({ low, high }: Range, digits = 0) => `${low.toFixed(digits)} to ${high.toFixed(digits)}`
  const rows = costs.map((cost) => {
    const low = cost.scalar * scalar.low + cost.vector * vector.low
    const high = cost.scalar * scalar.high + cost.vector * vector.high
    const share = { low: low / PI_CORES, high: high / PI_CORES }
    return `| ${cost.what} | ${(cost.scalar + cost.vector).toFixed(1)} % | ${range({ low, high })} % | ${range(share)} % |`
  })
  return `### A Raspberry Pi 5, estimated

**An estimate, not a measurement.** One core of the machine of these figures does ${here.compressing} MIPS in compressing and
${here.decompressing} in decompressing (\`7z b -mmt1 -md23\`), one of a Pi 5 at 2.4 GHz ${PI_5.compressing} and ${PI_5.decompressing}
(${SOURCE}). So scalar code takes ${range(scalar, 2)} times as long there, and encoder and detector ${range(vector, 2)} times: the
vectors of its Cortex-A76 are half as wide. \`bench/on-a-pi.sh\` measures it.

| | here, of one core | Pi 5, of one core | Pi 5, of its four cores |
|---|---|---|---|
${rows.join('\n')}
`
}
