import { run } from '#lib/process/run.ts'
import { vision } from './index.ts'

await run(vision)
