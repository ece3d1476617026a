import { run } from '#lib/process/run.ts'
import { metrics } from './index.ts'

await run(metrics)
