import { UnavailableError } from '#lib/unavailable-error.ts'
import { Input } from './input.ts'
import { passOn } from './playback.ts'
import type { Capture } from './source.ts'

/** A V4L2 camera. `format`: a pixel format of its driver; without one FFmpeg takes the first that works. */
export function captureV4l2({ device, format }: { device: string; format?: string | undefined }): Capture {
  return async (options) => {
    const opening = Input.open(device, {
      format: 'video4linux2',
      signal: options.signal,
      maxPixels: options.maxPixels,
      options: {
        video_size: `${options.width}x${options.height}`,
        framerate: String(options.fps),
        ...(format && { input_format: format }),
      },
    })
    await using input = await opening.catch((err: unknown) => {
      throw err instanceof UnavailableError ? new UnavailableError(`${device}: ${err.message}`) : err
    })
    await passOn(input, options)
  }
}
