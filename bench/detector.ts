import { print } from '#dev/harness/print.ts'
import { percentile } from '#dev/harness/statistics.ts'
import { createLogger } from '#lib/logger.ts'
import { measureDetection } from '#services/vision/checks.ts'

const log = createLogger('bench', { write() {} })

const spread = (values: number[]) =>
  `${percentile(values, 0.5).toFixed(2)} / ${percentile(values, 0.95).toFixed(2)} ms`

const times = await measureDetection('demo/clip.mp4', { frames: 300, warmUp: 30, log })
const { total, inference, copy, preprocess } = times
print('| one detection on 1280×720, default model, one thread | p50 / p95 |')
print('|---|---|')
print(`| frame in, message out | ${spread(total)} |`)
print(`| session.run() alone | ${spread(inference)} |`)
print(`| copying the frame into shared memory | ${spread(copy)} |`)
print(`| preprocessing: scaling, YUV to RGB | ${spread(preprocess)} |`)
print(
  `| total by session.run(), medians | ${(percentile(total, 0.5) / percentile(inference, 0.5)).toFixed(3)} |`,
)
