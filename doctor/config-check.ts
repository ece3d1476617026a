import { collectConfig } from '#lib/config.ts'
import { ConfigError } from '#lib/config-error.ts'
import { ALL_SECTIONS } from '../config-schema.ts'
import type { RobotConfig } from './check-context.ts'
import { type CheckResult, failure, ok } from './check-result.ts'

/** Reads the config file and reports all of its errors at once; `config` holds the valid sections. */
export function checkConfig(path: string): { results: CheckResult[]; config: Partial<RobotConfig> } {
  try {
    const optionalEnv = ['cloud.device_id', 'cloud.device_secret']
    const { values, problems } = collectConfig(path, ALL_SECTIONS, optionalEnv)
    const results = problems.map((problem) => invalid(problem))
    return { results: results.length > 0 ? results : [ok('config', path)], config: values }
  } catch (err) {
    if (!(err instanceof ConfigError)) throw err
    return { results: [invalid(err.message)], config: {} }
  }
}

function invalid(problem: string): CheckResult {
  return failure('config', problem, 'fix it; configs/robot.yaml explains every key')
}
