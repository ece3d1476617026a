import { run } from '#lib/process/run.ts'
import { recorder } from './index.ts'

await run(recorder)
