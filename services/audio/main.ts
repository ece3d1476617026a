import '#lib/process/lean-modules.ts'

const { run } = await import('#lib/process/run.ts')
const { audio } = await import('./index.ts')
await run(audio)
