export interface Trend {
  /** Units of y for one unit of x. */
  slope: number
  /** Bounds of the slope: 95 % of the time it is between them if the deviations are independent. */
  low: number
  high: number
}

type Point = readonly [x: number, y: number]

/**
 * Line through the points by Theil and Sen: the median of the slopes of all pairs, which single outliers do not move. The
 * bounds are those of Kendall's rank correlation (Sen 1968). Without two different x all is 0.
 */
export function theilSen(points: readonly Point[]): Trend {
  const slopes: number[] = []
  for (const [i, [x, y]] of points.entries()) {
    for (const [laterX, laterY] of points.slice(i + 1)) {
      if (laterX !== x) slopes.push((laterY - y) / (laterX - x))
    }
  }
  slopes.sort((a, b) => a - b)
  const n = points.length
  const half = (1.96 * Math.sqrt((n * (n - 1) * (2 * n + 5)) / 18)) / 2
  const at = (index: number) => slopes[Math.min(slopes.length - 1, Math.max(0, Math.round(index)))] ?? 0
  const middle = (slopes.length - 1) / 2
  return {
    slope: (at(Math.floor(middle)) + at(Math.ceil(middle))) / 2,
    low: at(middle - half),
    high: at(middle + half),
  }
}
