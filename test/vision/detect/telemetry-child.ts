import { setTimeout as sleep } from 'node:timers/promises'
import { DetectorSection } from '#services/vision/config.ts'
import { ModelThread } from '#services/vision/detect/model-thread.ts'
import { grayFrame } from '#services/vision/detect/shared-frame.ts'

const { MODEL: model } = process.env
try {
  await using thread = await ModelThread.start(DetectorSection.parse({ ...(model && { model }) }))
  await thread.detect(grayFrame(), 0.5)
  // time to write what would be sent later
  await sleep(1_000)
  process.stdout.write('detected\n')
} catch (err) {
  process.stdout.write(`failed: ${err instanceof Error ? err.message : err}\n`)
}
