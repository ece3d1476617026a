import { collectConfig } from '#lib/config.ts'
import { ConfigError } from '#lib/config-error.ts'
import { ALL_SECTIONS } from '../config-schema.ts'
import type { RobotConfig } from './check-context.ts'
import { type Finding, failure, ok } from './check-result.ts'

/** Reads the config file and tells everything that is wrong with it at once; `config` holds the sections that are right. */
export function checkConfig(path: string): { findings: Finding[]; config: Partial<RobotConfig> } {
  try {
    const optionalEnv = ['cloud.device_id', 'cloud.device_secret']
    const { values, problems } = collectConfig(path, ALL_SECTIONS, optionalEnv)
    const findings = problems.map((problem) => wrong(problem))
    return { findings: findings.length > 0 ? findings : [ok('config', path)], config: values }
  } catch (err) {
    if (!(err instanceof ConfigError)) throw err
    return { findings: [wrong(err.message)], config: {} }
  }
}

function wrong(problem: string): Finding {
  return failure('config', problem, 'mend it; configs/robot.yaml explains every key')
}
