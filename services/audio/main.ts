import { run } from '#lib/process/run.ts'
import { audio } from './index.ts'

await run(audio)
