import { runUnit } from '#lib/run.ts'
import { localRelay } from './index.ts'

await runUnit(localRelay)
