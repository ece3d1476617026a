import { UnavailableError } from '#lib/unavailable-error.ts'
import type { DetectorSection } from '../config.ts'
import type { Size } from '../image/fit.ts'
import {
  type Format,
  gridPlaces,
  knownDimension,
  type ModelFile,
  type ModelIo,
  NO_TENSOR,
  outputClasses,
  shapeText,
  type TensorShape,
} from './model-io.ts'
import { COCO, COCO_91, parseNames } from './names.ts'

type Settings = Pick<DetectorSection, 'format' | 'size' | 'letterbox' | 'scale' | 'colours'> & {
  names?: readonly string[] | undefined
}

/** The input of each format, unless the file or the config says otherwise. */
const INPUTS: Readonly<Record<Format, Pick<ModelIo, 'letterbox' | 'scale' | 'colours'>>> = {
  yolov8: { letterbox: 'centre', scale: 'unit', colours: 'rgb' },
  yolov5: { letterbox: 'centre', scale: 'unit', colours: 'rgb' },
  end2end: { letterbox: 'centre', scale: 'unit', colours: 'rgb' },
  yolox: { letterbox: 'top-left', scale: 'byte', colours: 'bgr' },
  rtdetr: { letterbox: 'stretch', scale: 'unit', colours: 'rgb' },
  dfine: { letterbox: 'stretch', scale: 'unit', colours: 'rgb' },
  rfdetr: { letterbox: 'stretch', scale: 'imagenet', colours: 'rgb' },
  mmdeploy: { letterbox: 'top-left', scale: 'imagenet', colours: 'bgr' },
  detr: { letterbox: 'stretch', scale: 'imagenet', colours: 'rgb' },
}

/** Strides of nets with three and with four scales. */
const STRIDES = [
  [8, 16, 32],
  [8, 16, 32, 64],
]
/** Largest input; nets of detectors have 2560 at most, and the input takes 12 bytes a pixel. */
const MAX_SIDE = 4096
/** Most boxes of a net without anchors. */
const MAX_QUERIES = 1_000
/** x1, y1, x2, y2, score, class */
const END2END_COLUMNS = 6

/**
 * Identifies the format of a model: from the config, else from its metadata, and the names and shapes of its inputs and
 * outputs. Throws {@link UnavailableError} with the shapes and the key to set where that leaves a doubt.
 */
export function detectFormat(file: ModelFile, settings: Settings): ModelIo {
  const shapes = [file.inputs.map(shapeText).join('; '), file.outputs.map(shapeText).join('; ')]
  const refuse = (why: string): never => {
    throw new UnavailableError(`${why} (inputs: ${shapes[0]}; outputs: ${shapes[1]})`)
  }
  checkPurpose(file, refuse)
  const size = inputSize(file, settings) ?? refuse('the input has no fixed size: set detector.size')
  if (Math.max(size.width, size.height) > MAX_SIDE) refuse(`the input is larger than ${MAX_SIDE}x${MAX_SIDE}`)
  const given = settings.names ?? parseNames(file.metadata.get('names'))
  const found = identify(file, { size, names: given?.length, configured: settings.format })
  const { format, basis } = found ?? refuse('cannot identify the format of this model: set detector.format')
  const classes = outputClasses(format, file)
  const names = given ?? cocoNames(format, classes) ?? refuse(unnamed(classes))
  if (!fitsClasses(format, classes, names.length)) {
    const origin = settings.names ? 'detector.names' : 'the metadata'
    refuse(`${names.length} class names in ${origin}, but the model has ${classes} classes`)
  }
  const logits = logitsOf(format, classes, names)
  return { format, basis, size, names, logits, ...inputOf({ format, file, size, logits }, settings) }
}

function checkPurpose({ inputs, metadata }: ModelFile, refuse: (why: string) => never): void {
  const task = metadata.get('task')
  if (task !== undefined && task !== 'detect') refuse(`a model for "${task}", not for detection`)
  const batch = knownDimension(inputs[0] ?? NO_TENSOR, 0)
  if (batch !== undefined && batch > 1) refuse(`a model for batches of ${batch} images: export it for one`)
}

function unnamed(classes: number | undefined): string {
  const count = classes === undefined ? 'an unknown number of' : classes
  return `a model with ${count} classes: set detector.names, or names: coco if it was trained on that`
}

interface Known {
  size: Size
  /** Number of class names, if given. */
  names: number | undefined
  configured: Settings['format']
}

function identify(
  file: ModelFile,
  { size, names, configured }: Known,
): Pick<ModelIo, 'format' | 'basis'> | undefined {
  if (configured !== 'auto') return { format: configured, basis: 'config' }
  const [images] = file.inputs
  if (images?.shape.length !== 4 || (knownDimension(images, 1) ?? 3) !== 3) return undefined
  // boxes are then in pixels of the image, whatever the shape of the output
  const hasSizes = file.inputs.some(({ name }) => name === 'orig_target_sizes')
  const byNames = hasSizes ? formatWithSizes(file) : formatByNames(file)
  if (byNames) return { format: byNames, basis: 'names' }
  const byShape = hasSizes ? undefined : formatByShape(file, size, names)
  return byShape && { format: byShape, basis: 'shape' }
}

function inputSize({ inputs, metadata }: ModelFile, { size }: Settings): Size | undefined {
  const [images = NO_TENSOR] = inputs
  const [height, width] = [knownDimension(images, 2), knownDimension(images, 3)]
  if (width && height) return { width, height }
  const [first, second = first] = metadata.get('imgsz')?.match(/\d+/g)?.map(Number) ?? []
  return size ?? (first && second ? { width: second, height: first } : undefined)
}

type Identified = Pick<ModelIo, 'format' | 'size' | 'logits'> & { file: ModelFile }

function inputOf({ format, file, size, logits }: Identified, settings: Settings) {
  const { letterbox, scale, colours } = INPUTS[format]
  // exports with a sigmoid, RT-DETR and D-FINE, take 0..1
  const usualScale = format === 'detr' && logits === 'sigmoid' ? 'unit' : scale
  return {
    letterbox: settings.letterbox ?? letterboxOf(file, size, format) ?? letterbox,
    scale: settings.scale ?? usualScale,
    colours: settings.colours ?? colours,
  }
}

function letterboxOf({ outputs, metadata }: ModelFile, size: Size, format: Format) {
  const stated = metadata.get('letterbox')
  if (stated === 'stretch' || stated === 'centre' || stated === 'top-left') return stated
  const places = knownDimension(outputs[0] ?? NO_TENSOR, 2)
  // a net of another family with the output layout of YOLO: it has other places
  return format === 'yolov8' && places !== undefined && places !== gridPlaces(size) ? 'stretch' : undefined
}

/** COCO's names where their number leaves no doubt. */
function cocoNames(format: Format, classes: number | undefined): readonly string[] | undefined {
  return classes === undefined
    ? undefined
    : [COCO, COCO_91].find(({ length }) => fitsClasses(format, classes, length))
}

/** True where the number of names fits the classes, or these are unknown. DETR has one class more, for "no object". */
function fitsClasses(format: Format, classes: number | undefined, names: number): boolean {
  return classes === undefined || classes === names || (format === 'detr' && classes === names + 1)
}

function logitsOf(format: Format, classes: number | undefined, names: readonly string[]): ModelIo['logits'] {
  if (format === 'rfdetr') return 'sigmoid'
  if (format !== 'detr') return 'none'
  return classes === names.length + 1 ? 'softmax' : 'sigmoid'
}

function formatWithSizes({ outputs }: ModelFile): Format | undefined {
  const names = outputs.map(({ name }) => name)
  return ['labels', 'boxes', 'scores'].every((name) => names.includes(name)) ? 'dfine' : undefined
}

/** The format by the names of the outputs, where these are distinctive. */
function formatByNames({ outputs }: ModelFile): Format | undefined {
  const output = (name: string) => outputs.find((one) => one.name === name)
  if (output('logits') && output('pred_boxes')) return 'detr'
  const [dets, labels] = [output('dets'), output('labels')]
  return dets && labels && outputs.length === 2 ? detsAndLabels(dets, labels) : undefined
}

function detsAndLabels(dets: TensorShape, labels: TensorShape): Format | undefined {
  if (knownDimension(dets, 2) === 5 && labels.type.startsWith('int')) return 'mmdeploy'
  if (knownDimension(dets, 2) === 4 && labels.shape.length === 3) return 'rfdetr'
  return undefined
}

/** The format by the shape of the only output; undefined where several fit. */
function formatByShape(
  { outputs, metadata }: ModelFile,
  size: Size,
  classes: number | undefined,
): Format | undefined {
  const [output = NO_TENSOR, ...more] = outputs
  if (more.length > 0 || output.shape.length !== 3) return undefined
  const [rows, columns] = [knownDimension(output, 1), knownDimension(output, 2)]
  if (metadata.get('end2end')?.toLowerCase() === 'true') {
    return columns === END2END_COLUMNS ? 'end2end' : undefined
  }
  if (rows === undefined || columns === undefined) {
    // the number of places is open
    return columns === undefined && classes !== undefined && rows === 4 + classes ? 'yolov8' : undefined
  }
  const places = STRIDES.map((strides) => gridPlaces(size, strides))
  const fitting = fittingFormats({ rows, columns, classes, places })
  // a wrong number of names must not hide a format that the shape alone shows: the error is about the names then
  const found = fitting.length > 0 ? fitting : fittingFormats({ rows, columns, classes: undefined, places })
  return found.length === 1 ? found[0] : undefined
}

interface OutputShape {
  rows: number
  columns: number
  /** By the class names, if given. */
  classes: number | undefined
  /** Places of nets with three and with four scales. */
  places: readonly number[]
}

function fittingFormats({ rows, columns, classes, places }: OutputShape): Format[] {
  const beside = (length: number, fixed: number) =>
    classes === undefined ? length > fixed : length === fixed + classes
  const queries = rows <= MAX_QUERIES && rows > columns && !places.includes(rows)
  const fits: Record<string, boolean> = {
    yolov8: rows < columns && beside(rows, 4),
    yolov5: places.some((count) => rows === 3 * count) && beside(columns, 5),
    yolox: places.includes(rows) && beside(columns, 5),
    end2end: queries && columns === END2END_COLUMNS,
    rtdetr: queries && beside(columns, 4) && !(classes === undefined && columns === END2END_COLUMNS),
  } satisfies Partial<Record<Format, boolean>>
  return (Object.keys(fits) as Format[]).filter((format) => fits[format])
}
