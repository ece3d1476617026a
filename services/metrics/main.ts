import { run } from '#lib/run.ts'
import { metrics } from './index.ts'

await run(metrics)
