import { type Matrix, rgbFactors } from '../image/color.ts'
import type { Size } from '../image/fit.ts'
import type { InputLayout } from './model-io.ts'

/** A 4:2:0 picture of limited range, rows without padding. */
export interface Yuv420 extends Size {
  y: Uint8Array
  u: Uint8Array
  v: Uint8Array
  matrix: Matrix
}

/** Where a picture lies in the input: its scaled size, and what is left free at the left and the top. */
export interface Placement extends Size {
  left: number
  top: number
}

/** What YOLO nets are trained to see beside a picture. */
const GREY = 114 / 255
/** Of ImageNet, red, green, blue, for 0..1. */
const MEAN = [0.485, 0.456, 0.406]
const DEVIATION = [0.229, 0.224, 0.225]

/** Where a picture of this size lies in the input. */
export function place(
  picture: Size,
  { size, letterbox }: Pick<InputLayout, 'size' | 'letterbox'>,
): Placement {
  if (letterbox === 'stretch') return { ...size, left: 0, top: 0 }
  const scale = Math.min(size.width / picture.width, size.height / picture.height)
  const width = Math.min(size.width, Math.round(picture.width * scale))
  const height = Math.min(size.height, Math.round(picture.height * scale))
  const half = letterbox === 'centre' ? 0.5 : 0
  return {
    width,
    height,
    left: Math.floor((size.width - width) * half),
    top: Math.floor((size.height - height) * half),
  }
}

/**
 * Makes pictures into a model's input: three planes (NCHW), scaled by plain half-pixel bilinear interpolation as the
 * default model was measured with, converted from YUV on the way. `out` keeps what is beside the picture.
 */
export function createPreprocessor(layout: InputLayout): (picture: Yuv420, out: Float32Array) => void {
  let tables: Tables | undefined
  return (picture, out) => {
    if (tables?.width !== picture.width || tables.height !== picture.height) {
      tables = tablesFor(picture, layout)
      paintGrey(out, layout)
    }
    convert(picture, { layout, tables }, out)
  }
}

/**
 * Between which samples an output position lies, `first` and the next one, and how much of the next it takes. In doubles,
 * as JavaScript calculates: to convert each number takes a twentieth of the whole time.
 */
interface Taps {
  first: Int32Array
  part: Float64Array
}

interface Tables extends Size {
  placement: Placement
  luma: { x: Taps; y: Taps }
  /** For every other position both ways: it has no more to tell in a 4:2:0 picture, and half the work is here. */
  chroma: { x: Taps; y: Taps }
}

function tablesFor({ width, height }: Size, layout: InputLayout): Tables {
  const placement = place({ width, height }, layout)
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
  const part = new Float64Array(to)
  for (let i = 0; i < to; i++) {
    const position = Math.max(0, Math.min(from - 1, ((i + 0.5) * from) / to - 0.5))
    first[i] = Math.max(0, Math.min(from - 2, Math.floor(position)))
    part[i] = position - (first[i] as number)
  }
  return { first, part }
}

/** Where the numbers of a colour go: behind `start`, each times `factor` plus `offset`. */
interface Plane {
  start: number
  factor: number
  offset: number
}

function planesFor(layout: InputLayout): [red: Plane, green: Plane, blue: Plane] {
  return layout.colours === 'rgb'
    ? [planeFor(0, 0, layout), planeFor(1, 1, layout), planeFor(2, 2, layout)]
    : [planeFor(0, 2, layout), planeFor(1, 1, layout), planeFor(2, 0, layout)]
}

function planeFor(colour: number, index: number, { size, scale }: InputLayout): Plane {
  const start = index * size.width * size.height
  if (scale !== 'imagenet') return { start, factor: scale === 'byte' ? 255 : 1, offset: 0 }
  const [mean, deviation] = [MEAN[colour] ?? 0, DEVIATION[colour] ?? 1]
  return { start, factor: 1 / deviation, offset: -mean / deviation }
}

function paintGrey(out: Float32Array, layout: InputLayout): void {
  const area = layout.size.width * layout.size.height
  for (const { start, factor, offset } of planesFor(layout)) {
    out.fill(GREY * factor + offset, start, start + area)
  }
}

function convert(
  picture: Yuv420,
  { layout, tables }: { layout: InputLayout; tables: Tables },
  out: Float32Array,
): void {
  const { placement, luma, chroma } = tables
  const { width, height, left, top } = placement
  const planes = planesFor(layout)
  const factors = rgbFactors(picture.matrix)
  const light = new Float64Array(width)
  const tint = createTint(chroma.x.first.length)
  for (let row = 0; row < height; row++) {
    sampleRow(picture.y, picture.width, luma, row, light)
    if (row % 2 === 0) {
      sampleRow(picture.u, picture.width / 2, chroma, row / 2, tint.u)
      sampleRow(picture.v, picture.width / 2, chroma, row / 2, tint.v)
      mix(tint, factors)
    }
    const at = (top + row) * layout.size.width + left
    writeRow(light, tint, { planes, luma: factors.luma }, out, at)
  }
}

/** What a row of chroma adds to each colour. */
function createTint(width: number) {
  const row = () => new Float64Array(width)
  return { u: row(), v: row(), red: row(), green: row(), blue: row() }
}

function mix(
  { u, v, red, green, blue }: ReturnType<typeof createTint>,
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

/** The three colours of a row. */
function writeRow(
  light: Float64Array,
  { red, green, blue }: ReturnType<typeof createTint>,
  { planes: [toRed, toGreen, toBlue], luma }: { planes: ReturnType<typeof planesFor>; luma: number },
  out: Float32Array,
  at: number,
): void {
  const [r, g, b] = [toRed.start + at, toGreen.start + at, toBlue.start + at]
  const black = 16 * luma
  for (let x = 0; x < light.length; x++) {
    const grey = (light[x] as number) * luma - black
    out[r + x] = clamp(grey + (red[x >> 1] as number)) * toRed.factor + toRed.offset
    out[g + x] = clamp(grey + (green[x >> 1] as number)) * toGreen.factor + toGreen.offset
    out[b + x] = clamp(grey + (blue[x >> 1] as number)) * toBlue.factor + toBlue.offset
  }
}

/** One output row of a plane, interpolated both ways. */
function sampleRow(
  plane: Uint8Array,
  stride: number,
  { x: { first, part }, y }: { x: Taps; y: Taps },
  row: number,
  out: Float64Array,
): void {
  const upper = (y.first[row] as number) * stride
  const lower = upper + stride
  const down = y.part[row] as number
  // indices are within bounds by construction; a check for each of half a million samples would cost a millisecond
  for (let x = 0; x < out.length; x++) {
    const left = first[x] as number
    const across = part[x] as number
    const a = plane[upper + left] as number
    const b = plane[lower + left] as number
    const top = a + ((plane[upper + left + 1] as number) - a) * across
    const bottom = b + ((plane[lower + left + 1] as number) - b) * across
    out[x] = top + (bottom - top) * down
  }
}

function clamp(value: number): number {
  // Math.min and Math.max think of NaN too, three times for each position of the input
  if (value < 0) return 0
  if (value > 1) return 1
  return value
}
