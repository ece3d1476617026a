import { captureExec } from './exec.ts'
import type { Capture } from './source.ts'

/** rpicam-vid pads the rows of yuv420 to this many bytes; a multiple of it has no padding. */
const ALIGNMENT = 64

/** The camera of a Raspberry Pi, through `rpicam-vid`. `args` are further arguments, such as `--hflip`. */
export function captureRpicam({ args }: { args: readonly string[] }): Capture {
  return (options) => {
    const width = Math.max(ALIGNMENT, Math.floor(options.width / ALIGNMENT) * ALIGNMENT)
    const fixed = '-n -t 0 --width {width} --height {height} --framerate {fps} --codec yuv420 --flush'
    const command = ['rpicam-vid', ...fixed.split(' '), ...args, '-o', '-']
    return captureExec({ command, format: 'yuv420p', width, height: options.height })(options)
  }
}
