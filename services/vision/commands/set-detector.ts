import { join } from 'node:path'
import { ContractError } from '#bus/contract-error.ts'
import type { Command } from '#bus/messages.ts'
import { type CommandHandler, paramsOf } from '#commands/command-handlers.ts'
import { DetectorSection } from '../config.ts'
import type { Detector } from '../detect/detector.ts'
import { KNOWN_NAMES } from '../detect/names.ts'
import { isFileWithin } from './file-access.ts'

interface SetDetectorOptions {
  detector: Detector
  /** By the config file. */
  configured: DetectorSection
  dataDir: string
}

/** Settings that describe a model file and change with it. */
const FILE_SETTINGS = ['format', 'names', 'size', 'letterbox', 'scale', 'colours'] as const

/**
 * `command/set_detector`: any keys of `vision.detector`, until the next start. A `model` must be in `models/` or in
 * `data_dir/models`, because commands are untrusted.
 */
export function setDetector({ detector, configured, dataDir }: SetDetectorOptions): CommandHandler {
  return {
    name: 'set_detector',
    async run(params) {
      const config = paramsOf(DetectorSection, { ...defaultsFor(params), ...params })
      if (typeof params.model === 'string') await checkFolder(params.model, dataDir)
      if (typeof params.names === 'string' && !KNOWN_NAMES.has(params.names))
        await checkFolder(params.names, dataDir)
      await detector.reconfigure(config)
      const { ok: _, error: __, ...facts } = detector.summary
      return facts
    },
  }

  /** The settings that the parameters override. */
  function defaultsFor(params: Command['params']): DetectorSection {
    const now = detector.settings
    if (params.model === undefined || params.model === now.model) return now
    const base = params.model === configured.model ? configured : DetectorSection.parse({})
    const file = Object.fromEntries(FILE_SETTINGS.map((key) => [key, base[key]]))
    return { ...now, ...file }
  }
}

/**
 * Throws a {@link ContractError} unless the file is in one of the folders of models. Files elsewhere are not accessed, and
 * a missing file has the same error as one behind a symbolic link that leads out: the answer does not show what exists.
 */
async function checkFolder(path: string, dataDir: string): Promise<void> {
  if (!(await isFileWithin(path, ['models', join(dataDir, 'models')]))) {
    throw new ContractError(`${path}: no such file in models/ or in models/ of data_dir`)
  }
}
