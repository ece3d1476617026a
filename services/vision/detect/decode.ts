import { UnavailableError } from '#lib/unavailable-error.ts'
import { decodeQueries } from './decode-queries.ts'
import { decodeCells, decodeRows } from './decode-yolo.ts'
import type { Layout } from './model-io.ts'

/** Something that a model saw: left, top, right, bottom in pixels of its input, and the index of its class. */
export interface Raw {
  index: number
  score: number
  edges: [left: number, top: number, right: number, bottom: number]
}

/** One output of a model. */
export interface Output {
  data: Float32Array
  dims: readonly number[]
}

export type Outputs = ReadonlyMap<string, Output>

/**
 * Reads what a model gave. All whose score reaches `minScore`; overlapping ones are still in. Throws
 * {@link UnavailableError} when it is not what the layout says.
 */
export function decode(layout: Layout, outputs: Outputs, minScore: number): Raw[] {
  const { format, size } = layout
  const only = () => [...outputs.values()][0] ?? named(outputs, 'output')
  switch (format) {
    case 'yolov8':
      return decodeRows(only(), minScore)
    case 'yolov5':
    case 'yolox':
      return decodeCells(only(), { size, grid: format === 'yolox' }, minScore)
    case 'end2end':
      return finished(only(), minScore)
    case 'mmdeploy':
      return labelled(named(outputs, 'dets'), named(outputs, 'labels'), minScore)
    case 'dfine':
      return apart(outputs, minScore)
    case 'rtdetr':
      return decodeQueries(split(only()), layout, minScore)
    case 'rfdetr':
      return decodeQueries(
        { boxes: named(outputs, 'dets'), scores: named(outputs, 'labels') },
        layout,
        minScore,
      )
    case 'detr':
      return decodeQueries(
        { boxes: named(outputs, 'pred_boxes'), scores: named(outputs, 'logits') },
        layout,
        minScore,
      )
  }
}

function named(outputs: Outputs, name: string): Output {
  const output = outputs.get(name)
  if (!output) throw new UnavailableError(`the model gives no ${name}`)
  return output
}

/** [1, N, 6]: left, top, right, bottom, score, class. */
function finished({ data, dims }: Output, minScore: number): Raw[] {
  const found: Raw[] = []
  for (let at = 0; at < (dims[1] ?? 0) * 6; at += 6) {
    const [left = 0, top = 0, right = 0, bottom = 0, score = 0, index = 0] = data.subarray(at, at + 6)
    if (score >= minScore) found.push({ index: Math.round(index), score, edges: [left, top, right, bottom] })
  }
  return found
}

/** [1, N, 5] left, top, right, bottom, score, beside [1, N] class. */
function labelled(dets: Output, labels: Output, minScore: number): Raw[] {
  const found: Raw[] = []
  for (let i = 0; i < (dets.dims[1] ?? 0); i++) {
    const [left = 0, top = 0, right = 0, bottom = 0, score = 0] = dets.data.subarray(i * 5, i * 5 + 5)
    if (score >= minScore)
      found.push({ index: labels.data[i] ?? 0, score, edges: [left, top, right, bottom] })
  }
  return found
}

/** [1, N] labels and scores, [1, N, 4] left, top, right, bottom. */
function apart(outputs: Outputs, minScore: number): Raw[] {
  const [labels, boxes, scores] = ['labels', 'boxes', 'scores'].map((name) => named(outputs, name).data)
  const found: Raw[] = []
  for (const [i, score] of scores?.entries() ?? []) {
    if (score < minScore) continue
    const [left = 0, top = 0, right = 0, bottom = 0] = boxes?.subarray(i * 4, i * 4 + 4) ?? []
    found.push({ index: labels?.[i] ?? 0, score, edges: [left, top, right, bottom] })
  }
  return found
}

/** [1, N, 4 + classes] as boxes and scores. */
function split({ data, dims }: Output): { boxes: Output; scores: Output } {
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
