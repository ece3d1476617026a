import type { Size } from '../image/fit.ts'
import type { Output, Raw } from './decode.ts'

const BOX = 4
/** Box and objectness. */
const BESIDE = 5
const STRIDES = [8, 16, 32, 64]
/** The middle of decoded boxes lies around half of the input; offsets within a cell are a few units. */
const DECODED = 1 / 8

/**
 * [1, 4 + classes, N], as YOLOv8 and later: centre x, centre y, width and height in pixels of the input, then a
 * probability for each class. The best class of each place.
 */
export function decodeRows({ data, dims }: Output, minScore: number): Raw[] {
  const [, rows = 0, places = 0] = dims
  const { scores, classes } = bestOfEach(data, { rows, places }, minScore)
  const found: Raw[] = []
  for (let place = 0; place < places; place++) {
    const score = scores[place] ?? 0
    if (score === 0) continue
    const at = (row: number) => data[row * places + place] ?? 0
    found.push({ index: classes[place] ?? 0, score, edges: edgesOf(at(0), at(1), at(2), at(3)) })
  }
  return found
}

/** Row by row, as the numbers lie in memory; hardly any of them reaches the score. */
function bestOfEach(
  data: Float32Array,
  { rows, places }: { rows: number; places: number },
  minScore: number,
) {
  const scores = new Float32Array(places)
  const classes = new Uint16Array(places)
  const end = rows * places
  for (let at = BOX * places; at < end; at++) {
    const score = data[at] as number
    if (score < minScore) continue
    const place = at % places
    if (score <= (scores[place] as number)) continue
    scores[place] = score
    classes[place] = Math.floor(at / places) - BOX
  }
  return { scores, classes }
}

/**
 * [1, N, 5 + classes]: box, objectness, a probability for each class; the score is the product of both. `grid`: boxes
 * may be in units of their cells, as YOLOX leaves them unless it was exported with its decoder.
 */
export function decodeCells(
  output: Output,
  { size, grid }: { size: Size; grid: boolean },
  minScore: number,
): Raw[] {
  const { data, dims } = output
  const [, places = 0, columns = BESIDE] = dims
  const cell = grid && !isDecoded(output, size) ? cellsOf(size, places) : undefined
  const found: Raw[] = []
  for (let place = 0; place < places; place++) {
    const row = data.subarray(place * columns, (place + 1) * columns)
    const objectness = row[BOX] ?? 0
    if (objectness < minScore) continue
    const { index, score } = best(row.subarray(BESIDE))
    if (score * objectness < minScore) continue
    const [x = 0, y = 0, width = 0, height = 0] = row
    const { left, top, stride } = cell?.[place] ?? { left: 0, top: 0, stride: 1 }
    const edges = cell
      ? edgesOf((x + left) * stride, (y + top) * stride, Math.exp(width) * stride, Math.exp(height) * stride)
      : edgesOf(x, y, width, height)
    found.push({ index, score: score * objectness, edges })
  }
  return found
}

function best(scores: Float32Array): { index: number; score: number } {
  let index = 0
  for (let i = 1; i < scores.length; i++) if ((scores[i] ?? 0) > (scores[index] ?? 0)) index = i
  return { index, score: scores[index] ?? 0 }
}

function isDecoded({ data, dims }: Output, size: Size): boolean {
  const [, places = 0, columns = BESIDE] = dims
  let sum = 0
  for (let place = 0; place < places; place++) sum += data[place * columns] ?? 0
  return sum / Math.max(1, places) > size.width * DECODED
}

/** The cell of each place: row by row, the finest stride first. */
function cellsOf({ width, height }: Size, places: number) {
  const cells: { left: number; top: number; stride: number }[] = []
  for (const stride of STRIDES) {
    if (cells.length >= places) break
    for (let top = 0; top < Math.ceil(height / stride); top++) {
      for (let left = 0; left < Math.ceil(width / stride); left++) cells.push({ left, top, stride })
    }
  }
  return cells
}

function edgesOf(x: number, y: number, width: number, height: number): Raw['edges'] {
  return [x - width / 2, y - height / 2, x + width / 2, y + height / 2]
}
