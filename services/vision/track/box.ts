import type { Box } from '../detect/nms.ts'

/** Left, top, right, bottom as fractions of the image; may lie outside of it. */
export type Edges = [left: number, top: number, right: number, bottom: number]

export function edgesOf([x, y, width, height]: Box): Edges {
  return [x, y, x + width, y + height]
}

/** The box clipped to the image. */
export function visibleBox([left, top, right, bottom]: Edges): Box {
  const x = clamp(left)
  const y = clamp(top)
  return [x, y, Math.max(0, clamp(right) - x), Math.max(0, clamp(bottom) - y)]
}

/** Distance of the centers divided by the mean side of both: 1 is about one body length. */
export function distance(a: Box, b: Box): number {
  const size = (a[2] + a[3] + b[2] + b[3]) / 4
  const x = a[0] + a[2] / 2 - b[0] - b[2] / 2
  const y = a[1] + a[3] / 2 - b[1] - b[3] / 2
  return Math.hypot(x, y) / Math.max(1e-6, size)
}

/** The smaller area divided by the larger one, 0..1. */
export function sizeRatio(a: Box, b: Box): number {
  const [one, other] = [a[2] * a[3], b[2] * b[3]]
  return Math.min(one, other) / Math.max(1e-9, one, other)
}

function clamp(value: number): number {
  return Math.max(0, Math.min(1, value))
}
