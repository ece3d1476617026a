import type { Planes } from '../image/pixels.ts'
import type { Yuv420 } from './preprocess.ts'

/** Copies a frame into shared memory; reuses `old` where size and matrix are the same. */
export function copyShared(planes: Planes, old?: Yuv420): Yuv420 {
  const { width, height, matrix } = planes
  const fits = old?.width === width && old.height === height && old.matrix === matrix
  const target = fits ? old : allocateShared(width, height, matrix)
  copyPlane(planes.y, planes.strideY, target.y, width)
  copyPlane(planes.u, planes.strideUv, target.u, width / 2)
  copyPlane(planes.v, planes.strideUv, target.v, width / 2)
  return target
}

function allocateShared(width: number, height: number, matrix: Yuv420['matrix']): Yuv420 {
  const area = width * height
  const memory = new SharedArrayBuffer((area * 3) / 2)
  return {
    width,
    height,
    matrix,
    y: new Uint8Array(memory, 0, area),
    u: new Uint8Array(memory, area, area / 4),
    v: new Uint8Array(memory, (area * 5) / 4, area / 4),
  }
}

/** Row by row: rows of a frame may be padded. */
function copyPlane(from: Buffer, stride: number, to: Uint8Array, width: number): void {
  if (stride === width) {
    to.set(from.subarray(0, to.length))
    return
  }
  for (let row = 0; row * width < to.length; row++) {
    to.set(from.subarray(row * stride, row * stride + width), row * width)
  }
}

/** A uniform gray frame to try a model with. */
export function grayFrame(): Yuv420 {
  const frame = allocateShared(64, 64, 'bt601')
  frame.y.fill(126)
  frame.u.fill(128)
  frame.v.fill(128)
  return frame
}
