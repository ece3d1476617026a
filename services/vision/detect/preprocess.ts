import { type Matrix, rgbFactors } from '../image/color.ts'
import type { Size } from '../image/fit.ts'
import type { ModelInput } from './model-io.ts'

/** A 4:2:0 image of limited range, rows without padding. */
export interface Yuv420 extends Size {
  y: Uint8Array
  u: Uint8Array
  v: Uint8Array
  matrix: Matrix
}

/** Position of the image in the input: its scaled size and the padding at the left and the top. */
export interface Placement extends Size {
  left: number
  top: number
}

/** The padding that YOLO nets are trained with. */
const GRAY = 114 / 255
/** ImageNet, red, green, blue, for 0..1. */
const MEAN = [0.485, 0.456, 0.406]
const DEVIATION = [0.229, 0.224, 0.225]

/** Position of an image of this size in the input. */
export function place(image: Size, { size, letterbox }: Pick<ModelInput, 'size' | 'letterbox'>): Placement {
  if (letterbox === 'stretch') return { ...size, left: 0, top: 0 }
  const scale = Math.min(size.width / image.width, size.height / image.height)
  const width = Math.min(size.width, Math.round(image.width * scale))
  const height = Math.min(size.height, Math.round(image.height * scale))
  const half = letterbox === 'centre' ? 0.5 : 0
  return {
    width,
    height,
    left: Math.floor((size.width - width) * half),
    top: Math.floor((size.height - height) * half),
  }
}

/**
 * Converts images to a model's input: three planes (NCHW), scaled by half-pixel bilinear interpolation, which the default
 * model was measured with, and converted from YUV in the same pass. The padding in `out` stays between calls.
 */
export function createPreprocessor(input: ModelInput): (image: Yuv420, out: Float32Array) => void {
  let tables: Tables | undefined
  return (image, out) => {
    if (tables?.width !== image.width || tables.height !== image.height) {
      tables = tablesFor(image, input)
      padWithGray(out, input)
    }
    convert(image, { input, tables }, out)
  }
}

/**
 * The two samples of each output position, `first` and the next one, and the weight of the second. Doubles, because
 * conversion from float32 would take a twentieth of the total time.
 */
interface Taps {
  first: Int32Array
  weight: Float64Array
}

interface Tables extends Size {
  placement: Placement
  luma: { x: Taps; y: Taps }
  /** For every other position in both directions: 4:2:0 has no more resolution, and this is half of the work. */
  chroma: { x: Taps; y: Taps }
}

function tablesFor({ width, height }: Size, input: ModelInput): Tables {
  const placement = place({ width, height }, input)
  const half = { width: Math.ceil(placement.width / 2), height: Math.ceil(placement.height / 2) }
  return {
    width,
    height,
    placement,
    luma: { x: taps(width, placement.width), y: taps(height, placement.height) },
    chroma: { x: taps(width / 2, half.width), y: taps(height / 2, half.height) },
  }
}

function taps(from: number, to: number): Taps {
  const first = new Int32Array(to)
  const weight = new Float64Array(to)
  for (let i = 0; i < to; i++) {
    const position = Math.max(0, Math.min(from - 1, ((i + 0.5) * from) / to - 0.5))
    first[i] = Math.max(0, Math.min(from - 2, Math.floor(position)))
    weight[i] = position - (first[i] as number)
  }
  return { first, weight }
}

/** Output plane of a color: from index `start`, each value times `factor` plus `offset`. */
interface Plane {
  start: number
  factor: number
  offset: number
}

function planesFor(input: ModelInput): [red: Plane, green: Plane, blue: Plane] {
  return input.colours === 'rgb'
    ? [planeFor(0, 0, input), planeFor(1, 1, input), planeFor(2, 2, input)]
    : [planeFor(0, 2, input), planeFor(1, 1, input), planeFor(2, 0, input)]
}

function planeFor(color: number, index: number, { size, scale }: ModelInput): Plane {
  const start = index * size.width * size.height
  if (scale !== 'imagenet') return { start, factor: scale === 'byte' ? 255 : 1, offset: 0 }
  const [mean, deviation] = [MEAN[color] ?? 0, DEVIATION[color] ?? 1]
  return { start, factor: 1 / deviation, offset: -mean / deviation }
}

function padWithGray(out: Float32Array, input: ModelInput): void {
  const area = input.size.width * input.size.height
  for (const { start, factor, offset } of planesFor(input)) {
    out.fill(GRAY * factor + offset, start, start + area)
  }
}

function convert(
  image: Yuv420,
  { input, tables }: { input: ModelInput; tables: Tables },
  out: Float32Array,
): void {
  const { placement, luma, chroma } = tables
  const { width, height, left, top } = placement
  const planes = planesFor(input)
  const factors = rgbFactors(image.matrix)
  const lumaRow = new Float64Array(width)
  const chromaRow = createChroma(chroma.x.first.length)
  for (let row = 0; row < height; row++) {
    sampleRow(image.y, image.width, luma, row, lumaRow)
    if (row % 2 === 0) {
      sampleRow(image.u, image.width / 2, chroma, row / 2, chromaRow.u)
      sampleRow(image.v, image.width / 2, chroma, row / 2, chromaRow.v)
      mix(chromaRow, factors)
    }
    const at = (top + row) * input.size.width + left
    writeRow(lumaRow, chromaRow, { planes, luma: factors.luma }, out, at)
  }
}

/** A row of chroma and what it adds to each color. */
function createChroma(width: number) {
  const row = () => new Float64Array(width)
  return { u: row(), v: row(), red: row(), green: row(), blue: row() }
}

function mix(
  { u, v, red, green, blue }: ReturnType<typeof createChroma>,
  { redV, greenU, greenV, blueU }: ReturnType<typeof rgbFactors>,
): void {
  for (let x = 0; x < u.length; x++) {
    const cb = (u[x] as number) - 128
    const cr = (v[x] as number) - 128
    red[x] = redV * cr
    green[x] = greenU * cb + greenV * cr
    blue[x] = blueU * cb
  }
}

/** Writes the three colors of a row. */
function writeRow(
  lumaRow: Float64Array,
  { red, green, blue }: ReturnType<typeof createChroma>,
  { planes: [toRed, toGreen, toBlue], luma }: { planes: ReturnType<typeof planesFor>; luma: number },
  out: Float32Array,
  at: number,
): void {
  const [r, g, b] = [toRed.start + at, toGreen.start + at, toBlue.start + at]
  const black = 16 * luma
  for (let x = 0; x < lumaRow.length; x++) {
    const gray = (lumaRow[x] as number) * luma - black
    out[r + x] = clamp(gray + (red[x >> 1] as number)) * toRed.factor + toRed.offset
    out[g + x] = clamp(gray + (green[x >> 1] as number)) * toGreen.factor + toGreen.offset
    out[b + x] = clamp(gray + (blue[x >> 1] as number)) * toBlue.factor + toBlue.offset
  }
}

/** One output row of a plane, interpolated in both directions. */
function sampleRow(
  plane: Uint8Array,
  stride: number,
  { x: { first, weight }, y }: { x: Taps; y: Taps },
  row: number,
  out: Float64Array,
): void {
  const upper = (y.first[row] as number) * stride
  const lower = upper + stride
  const down = y.weight[row] as number
  // indices are within bounds by construction; checks for half a million samples would cost a millisecond
  for (let x = 0; x < out.length; x++) {
    const left = first[x] as number
    const across = weight[x] as number
    const a = plane[upper + left] as number
    const b = plane[lower + left] as number
    const top = a + ((plane[upper + left + 1] as number) - a) * across
    const bottom = b + ((plane[lower + left + 1] as number) - b) * across
    out[x] = top + (bottom - top) * down
  }
}

function clamp(value: number): number {
  // Math.min and Math.max also handle NaN, which costs time three times for each position of the input
  if (value < 0) return 0
  if (value > 1) return 1
  return value
}
