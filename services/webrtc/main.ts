import { run } from '#lib/process/run.ts'
import { webrtc } from './index.ts'

await run(webrtc)
