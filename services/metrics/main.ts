import '#lib/process/lean-modules.ts'

const { run } = await import('#lib/process/run.ts')
const { metrics } = await import('./index.ts')
await run(metrics)
