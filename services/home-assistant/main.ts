import { run } from '#lib/run.ts'
import { homeAssistant } from './index.ts'

await run(homeAssistant)
