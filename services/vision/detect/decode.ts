import { UnavailableError } from '#lib/unavailable-error.ts'
import type { Size } from '../image/fit.ts'
import type { ModelIo } from './model-io.ts'

/** A detection before thresholds per label and suppression. */
export interface RawDetection {
  /** Class index. */
  index: number
  score: number
  /** In pixels of the model's input. */
  edges: [left: number, top: number, right: number, bottom: number]
}

/** One output tensor. */
export interface Output {
  data: Float32Array
  dims: readonly number[]
}

export type Outputs = ReadonlyMap<string, Output>

/** First class column of YOLOv8 (after the box) and of YOLOv5 and YOLOX (after box and objectness). */
const BOX_COLUMNS = 4
const OBJECTNESS_COLUMNS = 5
const STRIDES = [8, 16, 32, 64]
/** Decoded box centers average around half of the input; raw YOLOX offsets within a cell are a few units. */
const DECODED_MEAN = 1 / 8

/**
 * Decodes the outputs of a model: all detections with a score of at least `minScore`, before suppression. Throws
 * {@link UnavailableError} when an output of the format is missing.
 */
export function decode(io: ModelIo, outputs: Outputs, minScore: number): RawDetection[] {
  const { format, size } = io
  const only = () => [...outputs.values()][0] ?? named(outputs, 'output')
  switch (format) {
    case 'yolov8':
      return decodeRows(only(), minScore)
    case 'yolov5':
    case 'yolox':
      return decodeCells(only(), { size, grid: format === 'yolox' }, minScore)
    case 'end2end':
      return decodeEnd2End(only(), minScore)
    case 'mmdeploy':
      return decodeDetsAndLabels(named(outputs, 'dets'), named(outputs, 'labels'), minScore)
    case 'dfine':
      return decodeSeparate(outputs, minScore)
    case 'rtdetr':
      return decodeQueries(splitBoxes(only()), io, minScore)
    case 'rfdetr':
      return decodeQueries({ boxes: named(outputs, 'dets'), scores: named(outputs, 'labels') }, io, minScore)
    case 'detr':
      return decodeQueries(
        { boxes: named(outputs, 'pred_boxes'), scores: named(outputs, 'logits') },
        io,
        minScore,
      )
  }
}

function named(outputs: Outputs, name: string): Output {
  const output = outputs.get(name)
  if (!output) throw new UnavailableError(`the model has no output "${name}"`)
  return output
}

/**
 * [1, 4 + classes, N] of YOLOv8 and later: center x, center y, width, height in input pixels, then a probability for
 * each class. The best class of each place.
 */
function decodeRows({ data, dims }: Output, minScore: number): RawDetection[] {
  const [, rows = 0, places = 0] = dims
  const { scores, classes } = bestClasses(data, { rows, places }, minScore)
  const found: RawDetection[] = []
  for (let place = 0; place < places; place++) {
    const score = scores[place] ?? 0
    if (score === 0) continue
    const at = (row: number) => data[row * places + place] ?? 0
    found.push({ index: classes[place] ?? 0, score, edges: edgesOf(at(0), at(1), at(2), at(3)) })
  }
  return found
}

/** Row by row, in memory order; hardly any value reaches the score. */
function bestClasses(
  data: Float32Array,
  { rows, places }: { rows: number; places: number },
  minScore: number,
) {
  const scores = new Float32Array(places)
  const classes = new Uint16Array(places)
  const end = rows * places
  for (let at = BOX_COLUMNS * places; at < end; at++) {
    const score = data[at] as number
    if (score < minScore) continue
    const place = at % places
    if (score <= (scores[place] as number)) continue
    scores[place] = score
    classes[place] = Math.floor(at / places) - BOX_COLUMNS
  }
  return { scores, classes }
}

/**
 * [1, N, 5 + classes]: box, objectness, a probability for each class; the score is the product of both. With `grid`,
 * boxes may be in units of their cells, as YOLOX exports without its decoder leave them.
 */
function decodeCells(
  output: Output,
  { size, grid }: { size: Size; grid: boolean },
  minScore: number,
): RawDetection[] {
  const { data, dims } = output
  const [, places = 0, columns = OBJECTNESS_COLUMNS] = dims
  const cells = grid && !isDecoded(output, size) ? gridCells(size, places) : undefined
  const found: RawDetection[] = []
  for (let place = 0; place < places; place++) {
    const row = data.subarray(place * columns, (place + 1) * columns)
    const objectness = row[BOX_COLUMNS] ?? 0
    if (objectness < minScore) continue
    const { index, score } = bestClass(row.subarray(OBJECTNESS_COLUMNS))
    if (score * objectness < minScore) continue
    const [x = 0, y = 0, width = 0, height = 0] = row
    const { left, top, stride } = cells?.[place] ?? { left: 0, top: 0, stride: 1 }
    const edges = cells
      ? edgesOf((x + left) * stride, (y + top) * stride, Math.exp(width) * stride, Math.exp(height) * stride)
      : edgesOf(x, y, width, height)
    found.push({ index, score: score * objectness, edges })
  }
  return found
}

function bestClass(scores: Float32Array): { index: number; score: number } {
  let index = 0
  for (let i = 1; i < scores.length; i++) if ((scores[i] ?? 0) > (scores[index] ?? 0)) index = i
  return { index, score: scores[index] ?? 0 }
}

function isDecoded({ data, dims }: Output, size: Size): boolean {
  const [, places = 0, columns = OBJECTNESS_COLUMNS] = dims
  let sum = 0
  for (let place = 0; place < places; place++) sum += data[place * columns] ?? 0
  return sum / Math.max(1, places) > size.width * DECODED_MEAN
}

/** The grid cell of each place: row by row, the finest stride first. */
function gridCells({ width, height }: Size, places: number) {
  const cells: { left: number; top: number; stride: number }[] = []
  for (const stride of STRIDES) {
    if (cells.length >= places) break
    for (let top = 0; top < Math.ceil(height / stride); top++) {
      for (let left = 0; left < Math.ceil(width / stride); left++) cells.push({ left, top, stride })
    }
  }
  return cells
}

/** [1, N, 6]: left, top, right, bottom, score, class. */
function decodeEnd2End({ data, dims }: Output, minScore: number): RawDetection[] {
  const found: RawDetection[] = []
  for (let at = 0; at < (dims[1] ?? 0) * 6; at += 6) {
    const [left = 0, top = 0, right = 0, bottom = 0, score = 0, index = 0] = data.subarray(at, at + 6)
    if (score >= minScore) found.push({ index: Math.round(index), score, edges: [left, top, right, bottom] })
  }
  return found
}

/** [1, N, 5] left, top, right, bottom, score, and [1, N] classes. */
function decodeDetsAndLabels(dets: Output, labels: Output, minScore: number): RawDetection[] {
  const found: RawDetection[] = []
  for (let i = 0; i < (dets.dims[1] ?? 0); i++) {
    const [left = 0, top = 0, right = 0, bottom = 0, score = 0] = dets.data.subarray(i * 5, i * 5 + 5)
    if (score >= minScore)
      found.push({ index: labels.data[i] ?? 0, score, edges: [left, top, right, bottom] })
  }
  return found
}

/** [1, N] labels and scores, [1, N, 4] left, top, right, bottom. */
function decodeSeparate(outputs: Outputs, minScore: number): RawDetection[] {
  const [labels, boxes, scores] = ['labels', 'boxes', 'scores'].map((name) => named(outputs, name).data)
  const found: RawDetection[] = []
  for (const [i, score] of scores?.entries() ?? []) {
    if (score < minScore) continue
    const [left = 0, top = 0, right = 0, bottom = 0] = boxes?.subarray(i * 4, i * 4 + 4) ?? []
    found.push({ index: labels?.[i] ?? 0, score, edges: [left, top, right, bottom] })
  }
  return found
}

/**
 * The DETR family: [1, N, 4] center x, center y, width, height as fractions of the image, and [1, N, classes] scores,
 * as probabilities or logits.
 */
function decodeQueries(
  { boxes, scores }: { boxes: Output; scores: Output },
  { logits, size }: Pick<ModelIo, 'logits' | 'size'>,
  minScore: number,
): RawDetection[] {
  const [, queries = 0, classes = 0] = scores.dims
  // with a softmax the last class is "no object"
  const count = logits === 'softmax' ? classes - 1 : classes
  const found: RawDetection[] = []
  for (let query = 0; query < queries; query++) {
    const row = scores.data.subarray(query * classes, (query + 1) * classes)
    let index = 0
    for (let i = 1; i < count; i++) if ((row[i] ?? 0) > (row[index] ?? 0)) index = i
    const score = probability(row, index, logits)
    if (score < minScore) continue
    const [x = 0, y = 0, width = 0, height = 0] = boxes.data.subarray(query * 4, query * 4 + 4)
    const edges = edgesOf(x * size.width, y * size.height, width * size.width, height * size.height)
    found.push({ index, score, edges })
  }
  return found
}

function probability(row: Float32Array, index: number, logits: ModelIo['logits']): number {
  const value = row[index] ?? 0
  if (logits === 'none') return value
  if (logits === 'sigmoid') return 1 / (1 + Math.exp(-value))
  let sum = 0
  for (const other of row) sum += Math.exp(other - value)
  return 1 / sum
}

/** [1, N, 4 + classes] as boxes and scores. */
function splitBoxes({ data, dims }: Output): { boxes: Output; scores: Output } {
  const [, count = 0, columns = 4] = dims
  const boxes = new Float32Array(count * 4)
  const scores = new Float32Array(count * (columns - 4))
  for (let i = 0; i < count; i++) {
    boxes.set(data.subarray(i * columns, i * columns + 4), i * 4)
    scores.set(data.subarray(i * columns + 4, (i + 1) * columns), i * (columns - 4))
  }
  return {
    boxes: { data: boxes, dims: [1, count, 4] },
    scores: { data: scores, dims: [1, count, columns - 4] },
  }
}

function edgesOf(x: number, y: number, width: number, height: number): RawDetection['edges'] {
  return [x - width / 2, y - height / 2, x + width / 2, y + height / 2]
}
