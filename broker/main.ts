import { runUnit } from '#lib/process/run.ts'
import { broker } from './index.ts'

await runUnit(broker)
