import { fileURLToPath } from 'node:url'
import type { Size } from '../../image/fit.ts'
import { captureExec } from './exec.ts'
import type { Capture } from './source.ts'

/** rpicam-vid pads the rows of yuv420 to this many bytes; a multiple of it has no padding. */
const ALIGNMENT = 64
/** rpicam-vid gives one stream only; Python's picamera2, which comes with Raspberry Pi OS, gives both. */
const TWO_STREAMS = fileURLToPath(new URL('picamera2-streams.py', import.meta.url))

/**
 * The camera of a Raspberry Pi: through `rpicam-vid`, with further arguments such as `--hflip`, or, for a small stream
 * beside the large one, through picamera2.
 */
export function captureRpicam({
  args,
  lores,
}: {
  args: readonly string[]
  lores?: Size | undefined
}): Capture {
  return (options) => {
    const width = Math.max(ALIGNMENT, Math.floor(options.width / ALIGNMENT) * ALIGNMENT)
    const { height } = options
    const sizes = lores && [width, height, lores.width, lores.height].map(String)
    const command = sizes
      ? ['python3', TWO_STREAMS, ...sizes, '{fps}', ...args]
      : ['rpicam-vid', ...FIXED.split(' '), ...args, '-o', '-']
    return captureExec({ command, format: 'yuv420p', width, height, lores })(options)
  }
}

const FIXED = '-n -t 0 --width {width} --height {height} --framerate {fps} --codec yuv420 --flush'
