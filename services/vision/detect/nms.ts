/** x, y, width, height from the top left, as fractions of the image. */
export type Box = [x: number, y: number, width: number, height: number]

export interface Candidate {
  label: string
  score: number
  box: Box
}

/** Intersection over union, 0..1. */
export function iou(a: Box, b: Box): number {
  const width = Math.min(a[0] + a[2], b[0] + b[2]) - Math.max(a[0], b[0])
  const height = Math.min(a[1] + a[3], b[1] + b[3]) - Math.max(a[1], b[1])
  if (width <= 0 || height <= 0) return 0
  const overlap = width * height
  return overlap / (a[2] * a[3] + b[2] * b[3] - overlap)
}

/**
 * Non-maximum suppression across classes: of boxes with an IoU above `threshold` only the best stays, whatever its
 * label, since a dog is not also a cat. Best first, at most `limit`.
 */
export function suppress<T extends Candidate>(
  candidates: readonly T[],
  threshold: number,
  limit: number,
): T[] {
  const kept: T[] = []
  for (const candidate of candidates.toSorted((a, b) => b.score - a.score)) {
    if (kept.length === limit) break
    if (kept.every((better) => iou(better.box, candidate.box) <= threshold)) kept.push(candidate)
  }
  return kept
}
