import { fileURLToPath } from 'node:url'
import type { Size } from '../../image/fit.ts'
import { captureExec } from './exec.ts'
import type { Capture } from './source.ts'

/** rpicam-vid pads rows of yuv420 to a multiple of this many bytes. */
const ALIGNMENT = 64
/** rpicam-vid has one stream; Python's picamera2, part of Raspberry Pi OS, has two. */
const TWO_STREAMS = fileURLToPath(new URL('picamera2-streams.py', import.meta.url))

/**
 * The camera of a Raspberry Pi: through `rpicam-vid`, with further arguments such as `--hflip`, or through picamera2 for a
 * low-resolution stream beside the main one.
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
