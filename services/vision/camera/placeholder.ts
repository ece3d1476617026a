import type { Frame } from 'node-av'
import { toYuv } from '../image/color.ts'
import type { Size } from '../image/fit.ts'
import { allocate, planesOf } from '../image/pixels.ts'
import { paintLines } from '../overlay/overlay.ts'
import { fillRect } from '../overlay/paint.ts'

/** The picture that is shown while there is none of the camera: it says why. The caller frees it. */
export function drawPlaceholder(size: Size, reason: string): Frame {
  const pixels = allocate(size, size.height >= 720 ? 'bt709' : 'bt601')
  const planes = planesOf(pixels)
  fillRect(planes, { x: 0, y: 0, ...size }, toYuv([24, 32, 48], planes.matrix))
  paintLines(planes, ['No camera', '', reason])
  return pixels
}
