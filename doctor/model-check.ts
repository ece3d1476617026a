import { ModelThread } from '#services/vision/detect/model-thread.ts'
import { greyPicture } from '#services/vision/detect/shared-picture.ts'
import { type Finding, failure, ok, reasonOf, warning } from './finding.ts'
import type { Patient } from './patient.ts'

/** The first inference is slower than all others. */
const RUNS = 4

/** Loads the detector's model and runs it. */
export async function checkModel({ config }: Patient): Promise<Finding[]> {
  const detector = config.vision?.detector
  if (!detector) return [warning('model', 'not looked at', 'mend the config first')]
  if (!detector.enabled) return [ok('model', 'vision.detector.enabled is false: video only')]
  const began = performance.now()
  try {
    await using thread = await ModelThread.start(detector)
    const loaded = Math.round(performance.now() - began)
    const picture = greyPicture()
    let ms = 0
    for (let run = 0; run < RUNS; run++) {
      const { runMs } = await thread.detect(picture, detector.min_score)
      ms = run < 2 ? runMs : Math.min(ms, runMs)
    }
    const { format, size } = thread.facts ?? {}
    const kind = `${format} ${size?.width}x${size?.height}`
    const found = `${detector.model}, ${kind}: loaded in ${loaded} ms, an inference takes ${ms.toFixed(1)} ms`
    if (ms * detector.max_fps < 1_000) return [ok('model', found)]
    const advice = 'a smaller model, a lower vision.detector.max_fps, or more threads'
    return [warning('model', `${found}, too long for ${detector.max_fps} a second`, advice)]
  } catch (err) {
    return [
      failure('model', `${detector.model}: ${reasonOf(err)}`, 'models/README.md tells which files work'),
    ]
  }
}
