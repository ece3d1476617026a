import { rgbFactors } from '#services/vision/image/color.ts'
import type { Planes } from '#services/vision/image/pixels.ts'

/** A limited-range picture as a screen shows it. */
export function toRgba({ width, height, y, u, v, strideY, strideUv, matrix }: Planes): Uint8ClampedArray {
  const { luma, redV, greenU, greenV, blueU } = rgbFactors(matrix)
  const rgba = new Uint8ClampedArray(width * height * 4)
  for (let row = 0; row < height; row++) {
    for (let x = 0; x < width; x++) {
      const light = ((y[row * strideY + x] ?? 0) - 16) * luma
      const chroma = (row >> 1) * strideUv + (x >> 1)
      const cb = (u[chroma] ?? 0) - 128
      const cr = (v[chroma] ?? 0) - 128
      const color = [light + redV * cr, light + greenU * cb + greenV * cr, light + blueU * cb, 1]
      rgba.set(
        color.map((part) => part * 255),
        (row * width + x) * 4,
      )
    }
  }
  return rgba
}
