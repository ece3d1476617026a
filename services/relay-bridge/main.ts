import { run } from '#lib/run.ts'
import { relayBridge } from './index.ts'

await run(relayBridge)
