export interface Size {
  width: number
  height: number
}

/**
 * The largest size with the aspect ratio of `source` that fits into `box`, never larger than the source. Both sides are
 * even, as 4:2:0 video requires.
 */
export function fit(source: Size, box: Size): Size {
  const scale = Math.min(1, box.width / source.width, box.height / source.height)
  return { width: even(source.width * scale), height: even(source.height * scale) }
}

function even(length: number): number {
  // a millionth of slack: 1280 * (1 / 1280 * 640) may round down to two pixels less
  return Math.max(2, Math.floor(length / 2 + 1e-6) * 2)
}
