import { runUnit } from '#lib/process/run.ts'
import { simulator } from './index.ts'

await runUnit(simulator)
