import { join } from 'node:path'
import { z } from 'zod'
import type { Bus } from '#bus/bus.ts'
import { topics } from '#bus/topics.ts'
import type { Logger } from '#lib/logger.ts'
import { UnavailableError } from '#lib/unavailable-error.ts'
import { type CommandHandler, paramsOf } from '../commands/commands.ts'
import type { VisionSection } from '../config.ts'
import type { CapturedFrame } from '../frame/captured-frame.ts'
import type { Newest } from '../frame/latest-frame.ts'
import { toEpoch } from '../frame/wall-clock.ts'
import type { Planes } from '../image/pixels.ts'
import { develop, developWithin } from './photo-encoder.ts'
import { Album } from './photo-store.ts'

interface TakePhotoOptions {
  bus: Bus
  log: Logger
  dataDir: string
  limits: VisionSection['photos']
  newest: Newest
  /** Why there is no picture, or null. */
  cameraError(): string | null
  /** Draws boxes, mode and clock. */
  paint(planes: Planes, captured: CapturedFrame): void
}

/** Bytes of a JPEG that reaches an app: the bridge sends frames of 1 MiB, and base64 makes 4 characters of 3 bytes. */
const MOST = 740_000
/** A picture this old, ms, is of now; else the next one is waited for, so long. */
const FRESH = 150
const PATIENCE = 2_000

const flag = z.union([
  z.boolean(),
  z.enum(['true', 'false', '1', '0']).transform((text) => text === 'true' || text === '1'),
  z.literal([0, 1]).transform((number) => number === 1),
])
const Params = z.object({ with_hud: flag.nullish() })

/**
 * `command/take_photo {with_hud}`: a JPEG as large as the camera gives it, kept under `data_dir/photos` and told as
 * `event/photo` (API_CONTRACT 2.4); in that, coarser or smaller if it would not pass the relay.
 */
export function takePhoto(options: TakePhotoOptions): CommandHandler {
  const { bus, log, dataDir, limits, newest, cameraError, paint } = options
  const album = new Album(join(dataDir, 'photos'), limits)
  album.tidy().catch((err) => log.warn({ err }, 'cannot clean up the photos'))
  return {
    name: 'take_photo',
    async run(params) {
      const { with_hud } = paramsOf(Params, params)
      using captured = await newest.wait(FRESH, PATIENCE)
      if (!captured?.live) throw new UnavailableError(`no camera: ${cameraError() ?? 'no picture'}`)
      const drawn = with_hud ? paint : undefined
      const time = toEpoch(captured.at)
      const filename = await album.nameFor(time)
      const best = await develop(captured, drawn)
      const sent = best.jpeg.length <= MOST ? best : await developWithin(captured, MOST, drawn)
      const facts = {
        filename,
        resolution: `${sent.width}x${sent.height}`,
        size_bytes: sent.jpeg.length,
        with_hud: with_hud === true,
      }
      const timestamp = new Date(time).toISOString()
      const event = { ...facts, timestamp, data: sent.jpeg.toString('base64') }
      await bus.publish(topics.event, event, { name: 'photo' })
      return { ...facts, kept: await keep(filename, best.jpeg) }
    },
  }

  async function keep(filename: string, jpeg: Buffer): Promise<boolean> {
    try {
      await album.add(filename, jpeg)
      return limits.keep > 0
    } catch (err) {
      log.warn({ err }, 'photo not kept')
      return false
    }
  }
}
