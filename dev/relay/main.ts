import { runUnit } from '#lib/process/run.ts'
import { localRelay } from './index.ts'

await runUnit(localRelay)
