import { tryModel } from '#services/vision/checks.ts'
import { type CheckContext, isOnline, type RobotConfig } from './check-context.ts'
import { type CheckResult, failure, ok, reasonOf, warning } from './check-result.ts'

/** The first inference is slower than all others. */
const RUNS = 4

/** The default model takes up to 190 MiB; a larger one could exhaust the container's memory and kill its services. */
const MIN_MEMORY_MIB = 384

/**
 * Loads the detector's model and runs it. With less memory than that needs, as in the container of relay-bridge, the
 * result comes from the state of `vision` instead. `limit`: memory limit of this process (bytes).
 */
export async function checkModel(
  context: CheckContext,
  limit = process.constrainedMemory(),
): Promise<CheckResult[]> {
  const detector = context.config.vision?.detector
  if (!detector) return [warning('model', 'skipped', 'fix the config first')]
  if (!detector.enabled) return [ok('model', 'vision.detector.enabled is false: video only')]
  const mebibytes = Math.floor(limit / 2 ** 20)
  // without a limit: 0, or more than the machine has
  if (mebibytes > 0 && mebibytes < MIN_MEMORY_MIB)
    return [askVision(context, `only ${mebibytes} MiB of memory here`)]
  return [await loadAndRun(detector)]
}

function askVision(context: CheckContext, why: string): CheckResult {
  const detector = context.services.get('vision')?.detector
  if (!isOnline(context, 'vision') || typeof detector !== 'object' || detector === null) {
    return warning('model', `not loaded: ${why}`, 'docker compose run --rm doctor has enough memory')
  }
  const { ok: works, error, model, inference_ms: ms, fps }: Record<string, unknown> = { ...detector }
  if (works !== true) return failure('model', `vision reports for ${model}: ${error}`, ADVICE)
  if (typeof ms !== 'number')
    return warning('model', `${why}, and vision has not run it yet`, 'run the doctor again')
  return ok('model', `${model}, reported by vision (${why}): inference takes ${ms} ms, ${fps} per second`)
}

const ADVICE = 'models/README.md lists the supported formats'

async function loadAndRun(detector: RobotConfig['vision']['detector']): Promise<CheckResult> {
  try {
    const { loadMs, inferenceMs, format, size, description } = await tryModel(detector, RUNS)
    const ms = Math.min(...inferenceMs.slice(1))
    const kind = [description, `format ${format}`, `${size?.width}x${size?.height}`]
      .filter(Boolean)
      .join(', ')
    const found = `${detector.model}, ${kind}: loaded in ${Math.round(loadMs)} ms, inference takes ${ms.toFixed(1)} ms`
    if (ms * detector.max_fps < 1_000) return ok('model', found)
    const advice = 'a smaller model, a lower vision.detector.max_fps, or more threads'
    return warning('model', `${found}, too slow for ${detector.max_fps} per second`, advice)
  } catch (err) {
    return failure('model', `${detector.model}: ${reasonOf(err)}`, ADVICE)
  }
}
