import type { Size } from '../image/fit.ts'
import { cells, dimension, type Format, type ModelFile, NO_TENSOR, type TensorShape } from './model-io.ts'
import { parseNames } from './names.ts'

/** Strides of nets with three and with four scales. */
const STRIDES = [
  [8, 16, 32],
  [8, 16, 32, 64],
]
/** Boxes that a net without anchors gives at most. */
const MOST_QUERIES = 1_000
/** x1, y1, x2, y2, score, class */
const END2END = 6

/** The format that the names of inputs and outputs tell, if they do. */
export function byNames({ inputs, outputs }: ModelFile): Format | undefined {
  const output = (name: string) => outputs.find((one) => one.name === name)
  if (inputs.some(({ name }) => name === 'orig_target_sizes')) {
    return output('labels') && output('boxes') && output('scores') ? 'dfine' : undefined
  }
  if (output('logits') && output('pred_boxes')) return 'detr'
  const [dets, labels] = [output('dets'), output('labels')]
  return dets && labels && outputs.length === 2 ? detsAndLabels(dets, labels) : undefined
}

function detsAndLabels(dets: TensorShape, labels: TensorShape): Format | undefined {
  if (dimension(dets, 2) === 5 && labels.type.startsWith('int')) return 'mmdeploy'
  if (dimension(dets, 2) === 4 && labels.shape.length === 3) return 'rfdetr'
  return undefined
}

/** The format that the shape of the only output tells; undefined where several would do. */
export function byShape({ outputs, metadata }: ModelFile, size: Size): Format | undefined {
  const [output = NO_TENSOR, ...more] = outputs
  if (more.length > 0 || output.shape.length !== 3) return undefined
  const [rows, columns] = [dimension(output, 1), dimension(output, 2)]
  if (metadata.get('end2end')?.toLowerCase() === 'true') return columns === END2END ? 'end2end' : undefined
  const classes = parseNames(metadata.get('names'))?.length
  if (rows === undefined || columns === undefined) {
    // the number of places is open
    return columns === undefined && classes !== undefined && rows === 4 + classes ? 'yolov8' : undefined
  }
  const fitting = fits({ rows, columns, classes, anchors: STRIDES.map((strides) => cells(size, strides)) })
  return fitting.length === 1 ? fitting[0] : undefined
}

interface Shape {
  rows: number
  columns: number
  /** By the metadata. */
  classes: number | undefined
  /** Places of nets with three and four scales. */
  anchors: readonly number[]
}

function fits({ rows, columns, classes, anchors }: Shape): Format[] {
  const beside = (length: number, fixed: number) =>
    classes === undefined ? length > fixed : length === fixed + classes
  const queries = rows <= MOST_QUERIES && rows > columns && !anchors.includes(rows)
  const found: Record<string, boolean> = {
    yolov8: rows < columns && beside(rows, 4),
    yolov5: anchors.some((count) => rows === 3 * count) && beside(columns, 5),
    yolox: anchors.includes(rows) && beside(columns, 5),
    end2end: queries && columns === END2END,
    rtdetr: queries && beside(columns, 4) && !(classes === undefined && columns === END2END),
  } satisfies Partial<Record<Format, boolean>>
  return (Object.keys(found) as Format[]).filter((format) => found[format])
}
