import { run } from '#lib/process/run.ts'
import { relayBridge } from './index.ts'

await run(relayBridge)
