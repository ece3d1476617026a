import { realpath, stat } from 'node:fs/promises'
import { sep } from 'node:path'
import { z } from 'zod'
import { ContractError } from '#bus/contract-error.ts'
import type { Camera } from '../camera/camera.ts'
import { Flip, Fps, Rotate, Side, SourceSection } from '../config.ts'
import { type CommandHandler, paramsOf } from './commands.ts'

const Params = z.object({
  width: Side.optional(),
  height: Side.optional(),
  fps: Fps.optional(),
  source: SourceSection.optional(),
  rotate: Rotate.optional(),
  flip: Flip.optional(),
})

interface CameraControlOptions {
  camera: Camera
  dataDir: string
}

/**
 * `command/camera_control {width, height, fps, source, rotate, flip}`, each optional, until the next start. Apps send the
 * same command as `{active}` to a service that turns the camera.
 */
export function cameraControl({ camera, dataDir }: CameraControlOptions): CommandHandler {
  return {
    name: 'camera_control',
    accepts: (params) => Object.keys(Params.shape).some((key) => key in params),
    async run(params) {
      const { source, ...rest } = paramsOf(Params, params)
      if (source) await checkSource(source, dataDir)
      const before = camera.settings
      await camera.reconfigure({ ...before, ...definedOf(rest), source: source ?? before.source })
      const { size, source: type, rotate, flip } = camera.summary
      return { source: type, ...size, rotate, flip, fps: camera.settings.fps }
    },
  }
}

/** Commands are untrusted: they start no programs, and open only video files of the project and of `data_dir`. */
async function checkSource(source: SourceSection, dataDir: string): Promise<void> {
  if (source.type === 'exec') throw new ContractError('source: exec can only be set in the config file')
  if (source.type === 'rpicam' && source.args.length > 0) {
    throw new ContractError('source.args: can only be set in the config file')
  }
  if (source.type === 'v4l2' && !/^\/dev\/video\d+$/.test(source.device)) {
    throw new ContractError('source.device: /dev/video0 or another number')
  }
  if (source.type === 'url' && !/^(rtsps?|https?):\/\//i.test(source.url))
    await checkFile(source.url, dataDir)
}

async function checkFile(url: string, dataDir: string): Promise<void> {
  const refuse = (why: string) => new ContractError(`source.url: ${why}`)
  const path = await realpath(url).catch(() => undefined)
  if (path === undefined) throw refuse('rtsp://, rtsps://, http://, https://, or a file that is there')
  const folders = await Promise.all(
    [process.cwd(), dataDir].map((folder) => realpath(folder).catch(() => undefined)),
  )
  const inside = folders.some((folder) => folder !== undefined && path.startsWith(folder + sep))
  if (!inside || !(await stat(path)).isFile()) throw refuse('a file of the project or of data_dir')
}

/** Without undefined values. */
function definedOf<T extends object>(object: T): { [K in keyof T]?: NonNullable<T[K]> } {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: NonNullable<T[K]>
  }
}
