import { extname } from 'node:path'
import { z } from 'zod'
import { ContractError } from '#bus/contract-error.ts'
import { type CommandHandler, paramsOf } from '#commands/command-handlers.ts'
import type { Camera } from '../camera/camera.ts'
import { Flip, Fps, Rotate, Side, SourceSection } from '../config.ts'
import { isFileWithin } from './file-access.ts'

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
  /** `vision.sources_from_commands`: hosts, each with a port where it is not the usual one. */
  hosts: readonly string[]
}

/**
 * `command/camera_control {width, height, fps, source, rotate, flip}`, each optional, until the next start. Apps send the
 * same command as `{active}` to a service that turns the camera.
 */
export function cameraControl({ camera, dataDir, hosts }: CameraControlOptions): CommandHandler {
  return {
    name: 'camera_control',
    accepts: (params) => Object.keys(Params.shape).some((key) => key in params),
    async run(params) {
      const { source, ...rest } = paramsOf(Params, params)
      if (source) await checkSource(source, { dataDir, hosts })
      const before = camera.settings
      await camera.reconfigure({ ...before, ...definedOf(rest), source: source ?? before.source })
      const { size, source: type, rotate, flip } = camera.summary
      return { source: type, ...size, rotate, flip, fps: camera.settings.fps }
    },
  }
}

/** Files that commands may open: nothing that FFmpeg would show as text. */
const VIDEO_FILES: ReadonlySet<string> = new Set(
  '.mp4 .m4v .mov .mkv .webm .avi .ts .mpg .mpeg .flv .h264 .hevc .mjpeg'.split(' '),
)
const DEFAULT_PORTS: Readonly<Record<string, string>> = {
  'http:': '80',
  'https:': '443',
  'rtsp:': '554',
  'rtsps:': '322',
}

interface Allowed {
  dataDir: string
  hosts: readonly string[]
}

/**
 * Commands are untrusted: they start no programs, open only video files of the project and of `data_dir`, and contact only
 * hosts of the config. Throws a {@link ContractError}.
 */
async function checkSource(source: SourceSection, { dataDir, hosts }: Allowed): Promise<void> {
  if (source.type === 'exec') throw new ContractError('source: exec can only be set in the config file')
  if (source.type === 'rpicam' && source.args.length > 0) {
    throw new ContractError('source.args: can only be set in the config file')
  }
  if (source.type === 'v4l2' && !/^\/dev\/video\d+$/.test(source.device)) {
    throw new ContractError('source.device: /dev/video0 or another number')
  }
  if (source.type !== 'url') return
  if (source.ca !== undefined || source.tls_insecure) {
    throw new ContractError('source: ca and tls_insecure can only be set in the config file')
  }
  if (/^[a-z][a-z0-9+.-]*:/i.test(source.url)) checkHost(source.url, hosts)
  else await checkFile(source.url, dataDir)
}

function checkHost(address: string, hosts: readonly string[]): void {
  const url = URL.canParse(address) ? new URL(address) : undefined
  const usual = DEFAULT_PORTS[url?.protocol ?? '']
  const port = url?.port || usual
  const isAllowed = hosts.some((host) => {
    const [, name, ownPort = usual] = /^(\[[^\]]*\]|[^:]*)(?::(\d+))?$/.exec(host) ?? []
    return name?.toLowerCase() === url?.hostname.toLowerCase() && ownPort === port
  })
  if (usual === undefined || !isAllowed) {
    throw new ContractError(
      'source.url: network cameras can only be set in the config file, or for hosts of vision.sources_from_commands',
    )
  }
}

async function checkFile(path: string, dataDir: string): Promise<void> {
  const isVideo = VIDEO_FILES.has(extname(path).toLowerCase())
  if (!isVideo || !(await isFileWithin(path, [process.cwd(), dataDir]))) {
    throw new ContractError('source.url: no such video file in the project or in data_dir')
  }
}

/** Without undefined values. */
function definedOf<T extends object>(object: T): { [K in keyof T]?: NonNullable<T[K]> } {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: NonNullable<T[K]>
  }
}
