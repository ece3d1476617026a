import '#lib/process/lean-modules.ts'

const { run } = await import('#lib/process/run.ts')
const { recorder } = await import('./index.ts')
await run(recorder)
