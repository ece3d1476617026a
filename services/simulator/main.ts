import '#lib/process/lean-modules.ts'

const { runUnit } = await import('#lib/process/run.ts')
const { simulator } = await import('./index.ts')
await runUnit(simulator)
