import { DetectorSection } from '#services/vision/config.ts'
import { ModelThread } from '#services/vision/detect/model-thread.ts'

// Starts a thread with the model of the first argument, prints why that fails and stays.
const settings = DetectorSection.parse({ model: process.argv[2] })
await ModelThread.start(settings, 2_000).catch((err: Error) => process.stdout.write(err.message))
setInterval(() => {}, 1_000)
