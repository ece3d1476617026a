/**
 * How cost grows: `npm run bench:growth`, in less than five minutes. Size and rate of the video with FFmpeg beside in the same run, layers at
 * once, whole robots on one machine. Detector, overlay and snapshots are off, except in the whole robots.
 */
import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { print } from '#dev/harness/print.ts'
import { measureLayers } from './layers.ts'
import { measureRobots } from './robots.ts'
import type { GrowthRow } from './row.ts'
import { measureSizes } from './sizes.ts'

const { values } = parseArgs({ options: { json: { type: 'string' } } })

function table(rows: readonly GrowthRow[]): void {
  const names = [...new Set(rows.flatMap(({ cpu }) => Object.keys(cpu)))]
  print(`| ${rows[0]?.group} | ${names.join(' | ')} | encoded | frames/s, least | PSS | load |`)
  print(`|---|${names.map(() => '---|').join('')}---|---|---|---|`)
  for (const { name, cpu, size, fps, pssMiB, load } of rows) {
    const cells = names.map((one) => (cpu[one] === undefined ? '–' : `${cpu[one].toFixed(1)} %`))
    print(
      `| ${name} | ${cells.join(' | ')} | ${size} | ${fps.toFixed(1)} | ${pssMiB.toFixed(0)} MiB | ${load.toFixed(1)} |`,
    )
  }
  print()
}

const all: GrowthRow[] = []
for (const measure of [measureSizes, measureLayers, measureRobots]) {
  const rows = await measure()
  if (rows.length > 0) table(rows)
  all.push(...rows)
}
if (values.json) writeFileSync(values.json, `${JSON.stringify(all, undefined, 2)}\n`)
