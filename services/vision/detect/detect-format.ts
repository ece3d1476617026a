import { UnavailableError } from '#lib/unavailable-error.ts'
import type { DetectorSection } from '../config.ts'
import type { Size } from '../image/fit.ts'
import { byNames, byShape } from './formats.ts'
import {
  cells,
  classesOf,
  describe,
  dimension,
  type Format,
  type Layout,
  type ModelFile,
  NO_TENSOR,
} from './model-io.ts'
import { COCO, COCO_91, parseNames } from './names.ts'

type Settings = Pick<DetectorSection, 'format' | 'size' | 'letterbox' | 'scale' | 'colours'> & {
  names?: readonly string[] | undefined
}

/** How each format wants its pictures, unless something says otherwise. MODELS §9. */
const INPUTS: Readonly<Record<Format, Pick<Layout, 'letterbox' | 'scale' | 'colours'>>> = {
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

/**
 * What kind of detector a file is: by config first, then by its metadata, the names and the shapes of its inputs and
 * outputs. Throws {@link UnavailableError} for what it is not sure of, with the shapes and what to configure.
 */
export function recognise(file: ModelFile, settings: Settings): Layout {
  const refuse = (why: string): never => {
    const [ins, outs] = [file.inputs.map(describe).join('; '), file.outputs.map(describe).join('; ')]
    throw new UnavailableError(`${why} (takes ${ins}; gives ${outs})`)
  }
  const task = file.metadata.get('task')
  if (task !== undefined && task !== 'detect') refuse(`a model for "${task}", not for detection`)
  const size = sizeOf(file, settings)
  if (!size) return refuse('a model whose input has no fixed size: set detector.size')
  const format = settings.format === 'auto' ? formatOf(file, size) : settings.format
  if (!format) return refuse('no kind of detector that is known for sure: set detector.format')
  const classes = classesOf(format, file)
  const names = namesFor(format, classes, settings.names ?? parseNames(file.metadata.get('names')))
  if (!names) {
    const count = classes === undefined ? 'an unknown number of' : classes
    return refuse(
      `a model with ${count} classes: set detector.names, or names: coco if it was trained on that`,
    )
  }
  const logits = logitsOf(format, classes, names)
  return { format, size, names, logits, ...inputOf({ format, file, size, logits }, settings) }
}

function formatOf(file: ModelFile, size: Size): Format | undefined {
  const [images] = file.inputs
  if (images?.shape.length !== 4 || (dimension(images, 1) ?? 3) !== 3) return undefined
  return byNames(file) ?? byShape(file, size)
}

function sizeOf({ inputs, metadata }: ModelFile, { size }: Settings): Size | undefined {
  const [images = NO_TENSOR] = inputs
  const [height, width] = [dimension(images, 2), dimension(images, 3)]
  if (width && height) return { width, height }
  const [first, second = first] = metadata.get('imgsz')?.match(/\d+/g)?.map(Number) ?? []
  return size ?? (first && second ? { width: second, height: first } : undefined)
}

type Known = Pick<Layout, 'format' | 'size' | 'logits'> & { file: ModelFile }

function inputOf({ format, file, size, logits }: Known, settings: Settings) {
  const { letterbox, scale, colours } = INPUTS[format]
  // those of the family with a sigmoid, RT-DETR and D-FINE, take plain numbers
  const usualScale = format === 'detr' && logits === 'sigmoid' ? 'unit' : scale
  return {
    letterbox: settings.letterbox ?? toldLetterbox(file, size, format) ?? letterbox,
    scale: settings.scale ?? usualScale,
    colours: settings.colours ?? colours,
  }
}

function toldLetterbox({ outputs, metadata }: ModelFile, size: Size, format: Format) {
  const told = metadata.get('letterbox')
  if (told === 'stretch' || told === 'centre' || told === 'top-left') return told
  const places = dimension(outputs[0] ?? NO_TENSOR, 2)
  // it only writes like YOLO: its places are others
  return format === 'yolov8' && places !== undefined && places !== cells(size) ? 'stretch' : undefined
}

/** The names where they fit the number of classes; else COCO's where that fits. */
function namesFor(
  format: Format,
  classes: number | undefined,
  names: readonly string[] | undefined,
): readonly string[] | undefined {
  // DETR has one class more, for nothing
  const spare = format === 'detr' ? 1 : 0
  const fits = (count: number) => classes === count || classes === count + spare
  if (names) return classes === undefined || fits(names.length) ? names : undefined
  return [COCO, COCO_91].find(({ length }) => fits(length))
}

function logitsOf(format: Format, classes: number | undefined, names: readonly string[]): Layout['logits'] {
  if (format === 'rfdetr') return 'sigmoid'
  if (format !== 'detr') return 'none'
  return classes === names.length + 1 ? 'softmax' : 'sigmoid'
}
