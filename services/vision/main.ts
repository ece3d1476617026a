import '#lib/process/lean-modules.ts'

const { run } = await import('#lib/process/run.ts')
const { vision } = await import('./index.ts')
await run(vision)
