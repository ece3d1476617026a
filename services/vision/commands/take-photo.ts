import { join } from 'node:path'
import { z } from 'zod'
import type { Bus } from '#bus/bus.ts'
import { topics } from '#bus/topics.ts'
import { type CommandHandler, paramsOf } from '#commands/command-handlers.ts'
import type { Logger } from '#lib/logger.ts'
import { toEpoch } from '#lib/media/wall-clock.ts'
import { UnavailableError } from '#lib/unavailable-error.ts'
import { type Camera, PRIVACY_IS_ON } from '../camera/camera.ts'
import type { VisionSection } from '../config.ts'
import type { LatestFrame } from '../frame/latest-frame.ts'
import type { OverlayRenderer } from '../overlay/overlay-renderer.ts'
import { encodePhoto, encodePhotoWithin } from '../photos/photo-encoder.ts'
import { PhotoStore } from '../photos/photo-store.ts'

interface TakePhotoOptions {
  bus: Bus
  log: Logger
  dataDir: string
  limits: VisionSection['photos']
  latestFrame: LatestFrame
  camera: Pick<Camera, 'error' | 'isPrivate'>
  overlay: Pick<OverlayRenderer, 'draw'>
}

/** Largest JPEG to send: the bridge sends messages of at most 1 MiB, and base64 makes 4 characters of 3 bytes. */
const MAX_SENT_BYTES = 740_000
/** Age up to which the latest frame is used; else the next one is awaited for so long. */
const MAX_AGE_MS = 150
const FRAME_TIMEOUT_MS = 2_000

const flag = z.union([
  z.boolean(),
  z.enum(['true', 'false', '1', '0']).transform((text) => text === 'true' || text === '1'),
  z.literal([0, 1]).transform((number) => number === 1),
])
const Params = z.object({ with_hud: flag.nullish() })

/**
 * `command/take_photo {with_hud}`: a JPEG at the camera's size, stored under `data_dir/photos` and published as
 * `event/photo`, where it is coarser or smaller if it would exceed the relay's limit.
 */
export function takePhoto(options: TakePhotoOptions): CommandHandler {
  const { bus, log, dataDir, limits, latestFrame, camera, overlay } = options
  const photos = new PhotoStore(join(dataDir, 'photos'), limits)
  photos.tidy().catch((err) => log.warn({ err }, 'cannot clean up the photos'))
  return {
    name: 'take_photo',
    async run(params) {
      const { with_hud } = paramsOf(Params, params)
      using captured = await latestFrame.wait(MAX_AGE_MS, FRAME_TIMEOUT_MS)
      checkPrivacy()
      if (!captured?.live) throw new UnavailableError(`no camera: ${camera.error ?? 'no frame'}`)
      const draw = with_hud ? overlay.draw.bind(overlay) : undefined
      const time = toEpoch(captured.at)
      const filename = await photos.nameFor(time)
      const best = await encodePhoto(captured, draw)
      const isSmallEnough = best.jpeg.length <= MAX_SENT_BYTES
      const sent = isSmallEnough ? best : await encodePhotoWithin(captured, MAX_SENT_BYTES, draw)
      checkPrivacy() // it may have begun since
      const facts = {
        filename,
        resolution: `${sent.width}x${sent.height}`,
        size_bytes: sent.jpeg.length,
        with_hud: with_hud === true,
      }
      const timestamp = new Date(time).toISOString()
      const event = { ...facts, timestamp, data: sent.jpeg.toString('base64') }
      await bus.publish(topics.event, event, { name: 'photo' })
      return { ...facts, kept: await store(filename, best.jpeg) }
    },
  }

  function checkPrivacy(): void {
    if (camera.isPrivate) throw new UnavailableError(`no photo: ${PRIVACY_IS_ON}`)
  }

  async function store(filename: string, jpeg: Buffer): Promise<boolean> {
    try {
      await photos.add(filename, jpeg)
      return limits.keep > 0
    } catch (err) {
      log.warn({ err }, 'photo not stored')
      return false
    }
  }
}
