import { run } from '#lib/run.ts'
import { webrtc } from './index.ts'

await run(webrtc)
