import { runUnit } from '#lib/run.ts'
import { broker } from './index.ts'

await runUnit(broker)
