import { run } from '#lib/run.ts'
import { vision } from './index.ts'

await run(vision)
