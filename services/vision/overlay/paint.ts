import type { Planes } from '../image/pixels.ts'

export interface Rect {
  x: number
  y: number
  width: number
  height: number
}

/** Fills a rectangle, clipped to the frame; edges are rounded to even pixels, the grid of 4:2:0 chroma. */
export function fillRect(planes: Planes, rect: Rect, [y, u, v]: readonly [number, number, number]): void {
  const { left, top, right, bottom } = clip(planes, rect)
  fill(planes.y, planes.strideY, { left, top, right, bottom }, y)
  const half = { left: left / 2, top: top / 2, right: right / 2, bottom: bottom / 2 }
  fill(planes.u, planes.strideUv, half, u)
  fill(planes.v, planes.strideUv, half, v)
}

/** Draws the outline of a rectangle, `line` pixels thick, on its inside. */
export function strokeRect(
  planes: Planes,
  { x, y, width, height }: Rect,
  line: number,
  yuv: readonly [number, number, number],
): void {
  fillRect(planes, { x, y, width, height: line }, yuv)
  fillRect(planes, { x, y: y + height - line, width, height: line }, yuv)
  fillRect(planes, { x, y, width: line, height }, yuv)
  fillRect(planes, { x: x + width - line, y, width: line, height }, yuv)
}

/** Coverage of each pixel, 0..255, in row order. */
export interface Mask {
  width: number
  height: number
  alpha: Uint8Array
}

/** Blends the Y plane towards `luma` by the coverage of the mask, clipped to the frame. */
export function blendMask(planes: Planes, x: number, y: number, mask: Mask, luma: number): void {
  const { y: plane, strideY } = planes
  const right = Math.min(mask.width, planes.width - x)
  const bottom = Math.min(mask.height, planes.height - y)
  for (let row = Math.max(0, -y); row < bottom; row++) {
    for (let column = Math.max(0, -x); column < right; column++) {
      const alpha = mask.alpha[row * mask.width + column] ?? 0
      if (alpha === 0) continue
      const at = (y + row) * strideY + x + column
      const old = plane[at] ?? 0
      plane[at] = old + ((luma - old) * alpha) / 255
    }
  }
}

interface Edges {
  left: number
  top: number
  right: number
  bottom: number
}

function clip(planes: Planes, { x, y, width, height }: Rect): Edges {
  return {
    left: even(x, planes.width),
    top: even(y, planes.height),
    right: even(x + width, planes.width),
    bottom: even(y + height, planes.height),
  }
}

function even(position: number, limit: number): number {
  return Math.round(Math.max(0, Math.min(limit, position)) / 2) * 2
}

function fill(plane: Buffer, stride: number, { left, top, right, bottom }: Edges, value: number): void {
  if (left >= right) return
  for (let row = top; row < bottom; row++) plane.fill(value, row * stride + left, row * stride + right)
}
