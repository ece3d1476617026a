import type { Detections } from '#bus/messages.ts'
import { print } from '#dev/harness/print.ts'
import { percentile } from '#dev/harness/statistics.ts'
import { measureOverlay } from '#services/vision/checks.ts'

const FRAMES = 500
const WARM_UP = 100

/** Boxes all over the frame, each one different. */
function scene(count: number, index: number) {
  const objects: Detections['objects'] = Array.from({ length: count }, (_, i) => {
    const x = ((i * 0.17 + index * 0.003) % 1) * 0.6
    const y = ((i * 0.29 + index * 0.002) % 1) * 0.5
    return {
      label: i % 2 ? 'cat' : 'dog',
      score: (50 + ((index + i) % 50)) / 100,
      box: [x, y, 0.35, 0.45],
      track_id: i,
    }
  })
  return {
    objects,
    time: Date.UTC(2026, 10, 23) + index * 67,
    mode: 'silent_guardian',
    nameOf: () => 'Bella',
  }
}

print('| overlay, p50 / p95 | 1 box | 3 boxes | 10 boxes |')
print('|---|---|---|---|')
for (const size of [
  { width: 1280, height: 720 },
  { width: 640, height: 360 },
]) {
  const cells = [1, 3, 10].map((count) => {
    const times = measureOverlay(
      size,
      Array.from({ length: FRAMES }, (_, index) => scene(count, index)),
    )
    const counted = times.slice(WARM_UP)
    return `${percentile(counted, 0.5).toFixed(2)} / ${percentile(counted, 0.95).toFixed(2)} ms`
  })
  print(`| ${size.width}×${size.height}, with mode and clock | ${cells.join(' | ')} |`)
}
