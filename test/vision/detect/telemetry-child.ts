import { setTimeout as sleep } from 'node:timers/promises'
import { DetectorSection } from '#services/vision/config.ts'
import { ModelThread } from '#services/vision/detect/model-thread.ts'
import { grayFrame } from '#services/vision/detect/shared-frame.ts'

await using thread = await ModelThread.start(DetectorSection.parse({}))
await thread.detect(grayFrame(), 0.5)
// what it keeps to be sent is written meanwhile
await sleep(1_000)
process.stdout.write('detected\n')
