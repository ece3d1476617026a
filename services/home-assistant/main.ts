import { run } from '#lib/process/run.ts'
import { homeAssistant } from './index.ts'

await run(homeAssistant)
