import { type Matrix, rgbFactors } from '../colour.ts'
import type { Size } from '../fit.ts'

/** A 4:2:0 picture of limited range, rows without padding. */
export interface Yuv420 extends Size {
  y: Uint8Array
  u: Uint8Array
  v: Uint8Array
  matrix: Matrix
}

/** Which two samples an output position lies between, and how much of the second it takes. */
interface Taps {
  first: Int32Array
  second: Int32Array
  part: Float32Array
}

/**
 * Makes pictures into the model's input: stretched to `target`, R, G, B planes of 0..1 (NCHW). Plain half-pixel
 * bilinear, as the model was measured with; the conversion from YUV is done on the way.
 */
export function createStretcher(target: Size): (picture: Yuv420, out: Float32Array) => void {
  let tables: Tables | undefined
  return (picture, out) => {
    if (tables?.width !== picture.width || tables.height !== picture.height)
      tables = tablesFor(picture, target)
    stretch(picture, target, tables, out)
  }
}

interface Tables extends Size {
  lumaX: Taps
  lumaY: Taps
  chromaX: Taps
  chromaY: Taps
}

function tablesFor({ width, height }: Size, target: Size): Tables {
  return {
    width,
    height,
    lumaX: taps(width, target.width),
    lumaY: taps(height, target.height),
    chromaX: taps(width / 2, target.width),
    chromaY: taps(height / 2, target.height),
  }
}

function taps(from: number, to: number): Taps {
  const first = new Int32Array(to)
  const second = new Int32Array(to)
  const part = new Float32Array(to)
  for (let i = 0; i < to; i++) {
    const position = Math.max(0, Math.min(from - 1, ((i + 0.5) * from) / to - 0.5))
    first[i] = Math.floor(position)
    second[i] = Math.min(from - 1, Math.floor(position) + 1)
    part[i] = position - Math.floor(position)
  }
  return { first, second, part }
}

function stretch(picture: Yuv420, target: Size, tables: Tables, out: Float32Array): void {
  const { width } = target
  const area = width * target.height
  const { luma, redV, greenU, greenV, blueU } = rgbFactors(picture.matrix)
  const rowY = new Float32Array(width)
  const rowU = new Float32Array(width)
  const rowV = new Float32Array(width)
  for (let row = 0; row < target.height; row++) {
    sampleRow(picture.y, picture.width, tables.lumaX, tables.lumaY, row, rowY)
    sampleRow(picture.u, picture.width / 2, tables.chromaX, tables.chromaY, row, rowU)
    sampleRow(picture.v, picture.width / 2, tables.chromaX, tables.chromaY, row, rowV)
    for (let x = 0; x < width; x++) {
      const light = ((rowY[x] ?? 0) - 16) * luma
      const u = (rowU[x] ?? 0) - 128
      const v = (rowV[x] ?? 0) - 128
      const at = row * width + x
      out[at] = clamp(light + redV * v)
      out[at + area] = clamp(light + greenU * u + greenV * v)
      out[at + 2 * area] = clamp(light + blueU * u)
    }
  }
}

/** One output row of a plane, interpolated both ways. */
function sampleRow(
  plane: Uint8Array,
  stride: number,
  xs: Taps,
  ys: Taps,
  row: number,
  out: Float32Array,
): void {
  const upper = (ys.first[row] ?? 0) * stride
  const lower = (ys.second[row] ?? 0) * stride
  const down = ys.part[row] ?? 0
  for (let x = 0; x < out.length; x++) {
    const left = xs.first[x] ?? 0
    const right = xs.second[x] ?? 0
    const across = xs.part[x] ?? 0
    const a = plane[upper + left] ?? 0
    const b = plane[lower + left] ?? 0
    const top = a + ((plane[upper + right] ?? 0) - a) * across
    const bottom = b + ((plane[lower + right] ?? 0) - b) * across
    out[x] = top + (bottom - top) * down
  }
}

function clamp(value: number): number {
  return Math.max(0, Math.min(1, value))
}
