import assert from 'node:assert/strict'
import { test } from 'node:test'
import { chaosPlot, growthPlot, parseCsv, soakPlot } from '#bench/report/plots.ts'

const CSV = `seconds,process,rss_mib,fps
10,vision,300,
10,webrtc,120,15
20,vision,301,
20,webrtc,121,14.9
`

test('a soak has a line for each process that has the figure', () => {
  assert.deepEqual(parseCsv(CSV)[1], { seconds: '10', process: 'webrtc', rss_mib: '120', fps: '15' })
  const [memory = '', , , , , frames = ''] = soakPlot(CSV).split('<g transform').slice(1)
  assert.match(memory, /vision.*webrtc/s)
  assert.doesNotMatch(frames, /vision/)
  assert.doesNotMatch(soakPlot('seconds,process\n'), /NaN|Infinity/)
})

test('faults have median and worst in seconds, sizes the CPU of each process', () => {
  const chaos = chaosPlot([{ fault: 'vision is killed', count: 2, median: 1500, worst: 4200 }])
  assert.match(chaos, /vision is killed \(2\)/)
  assert.match(chaos, />1\.5<.*>4\.2</s)
  const row = { fps: 15, size: '1280×720', pssMiB: 200, load: 1 }
  const growth = growthPlot([
    { group: 'camera', name: '720p', cpu: { vision: 18, ffmpeg: 15 }, ...row },
    { group: 'layers', name: '1: high', cpu: { vision: 18 }, ...row },
  ])
  assert.match(growth, /camera.*ffmpeg.*layers/s)
})
