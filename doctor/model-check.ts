import { tryModel } from '#services/vision/checks.ts'
import { isOnline, type Patient, type RobotConfig } from './check-context.ts'
import { type Finding, failure, ok, reasonOf, warning } from './check-result.ts'

/** The first inference is slower than all others. */
const RUNS = 4

/** MiB. The default model makes us use 190 at most, and in a container one that is larger would end us all. */
const ROOM = 384

/**
 * Loads the detector's model and runs it. In a container of less memory than that needs, as that of relay-bridge, `vision`
 * is asked instead. `limit` is the memory that we may use, in bytes.
 */
export async function checkModel(patient: Patient, limit = process.constrainedMemory()): Promise<Finding[]> {
  const detector = patient.config.vision?.detector
  if (!detector) return [warning('model', 'not looked at', 'mend the config first')]
  if (!detector.enabled) return [ok('model', 'vision.detector.enabled is false: video only')]
  const mebibytes = Math.floor(limit / 2 ** 20)
  // 0 or more than there is: no limit
  if (mebibytes > 0 && mebibytes < ROOM) return [askVision(patient, `only ${mebibytes} MiB of memory here`)]
  return [await loadAndRun(detector)]
}

function askVision(patient: Patient, why: string): Finding {
  const detector = patient.services.get('vision')?.detector
  if (!isOnline(patient, 'vision') || typeof detector !== 'object' || detector === null) {
    return warning('model', `not loaded: ${why}`, 'docker compose run --rm doctor has room for it')
  }
  const { ok: works, error, model, inference_ms: ms, fps }: Record<string, unknown> = { ...detector }
  if (works !== true) return failure('model', `vision says of ${model}: ${error}`, ADVICE)
  if (typeof ms !== 'number')
    return warning('model', `${why}, and vision has looked at no picture yet`, 'again')
  return ok('model', `${model} as vision says (${why}): an inference takes ${ms} ms, ${fps} a second`)
}

const ADVICE = 'models/README.md tells which files work'

async function loadAndRun(detector: RobotConfig['vision']['detector']): Promise<Finding> {
  try {
    const { loadMs, inferenceMs, format, size } = await tryModel(detector, RUNS)
    const ms = Math.min(...inferenceMs.slice(1))
    const kind = `${format} ${size?.width}x${size?.height}`
    const found = `${detector.model}, ${kind}: loaded in ${Math.round(loadMs)} ms, an inference takes ${ms.toFixed(1)} ms`
    if (ms * detector.max_fps < 1_000) return ok('model', found)
    const advice = 'a smaller model, a lower vision.detector.max_fps, or more threads'
    return warning('model', `${found}, too long for ${detector.max_fps} a second`, advice)
  } catch (err) {
    return failure('model', `${detector.model}: ${reasonOf(err)}`, ADVICE)
  }
}
