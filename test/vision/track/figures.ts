import { print } from '#dev/harness/print.ts'
import { percentile } from '#dev/harness/statistics.ts'
import { detectClip, type Figures, fits, ghosts, play } from './demo-clip.ts'

/** Prints what the default detector and the tracker make of the demo clip, at four rates: `npm run bench:tracking`. */
/** Overlap that counts as on the animal. */
const GOOD = 0.75

function row(name: string, figures: Figures): string {
  const { asked, found, drawn, idsPerVisit, without } = figures
  const overlaps = fits(figures)
  const good = overlaps.filter((overlap) => overlap >= GOOD).length
  const cells = [
    name,
    `${found} of ${asked} (${((100 * found) / asked).toFixed(1)} %)`,
    idsPerVisit.join(', '),
    `${ghosts(figures).length} of ${drawn.length}`,
    `${without}`,
    `${percentile(overlaps, 0.5).toFixed(3)} / ${percentile(overlaps, 0.05).toFixed(3)}`,
    `${((100 * good) / overlaps.length).toFixed(1)} %`,
  ]
  return `| ${cells.join(' | ')} |`
}

process.stderr.write('the detector looks at the 600 pictures of the demo clip …\n')
const seen = await detectClip()
print(
  '| detections | dog found where half of it is in the picture | tracks per visit | boxes on nothing | pictures without box, dog half in | IoU p50 / p5 at 15 fps | IoU ≥ 0.75 |',
)
print('|---|---|---|---|---|---|---|')
for (const rate of [2, 5, 10, 15]) print(row(`${rate}/s, dog`, play(seen, rate, ['dog'])))
print(row('5/s, dog and cat', play(seen, 5, ['dog', 'cat'])))
