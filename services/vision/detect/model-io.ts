import type { MODEL_FORMATS } from '../config.ts'
import type { Size } from '../image/fit.ts'

/** Output format of a detector. */
export type Format = Exclude<(typeof MODEL_FORMATS)[number], 'auto'>

/** How a frame becomes the input of a model. */
export interface ModelInput {
  size: Size
  /** Stretched to the input, or scaled and padded with gray at both ends or at the far end. */
  letterbox: 'stretch' | 'centre' | 'top-left'
  /** Values 0..1, 0..255, or normalized by mean and deviation of ImageNet. */
  scale: 'unit' | 'byte' | 'imagenet'
  colours: 'rgb' | 'bgr'
}

/** What shows the format of a model: the config, distinctive names of inputs and outputs, or the shape of the output alone. */
type FormatBasis = 'config' | 'names' | 'shape'

/** Everything needed to run a model: input, output format, class names. */
export interface ModelIo extends ModelInput {
  format: Format
  basis: FormatBasis
  /** By class index; detections of a class without a name are discarded. */
  names: readonly string[]
  /** Activation that turns scores into probabilities; with softmax the last class is "no object". */
  logits: 'none' | 'sigmoid' | 'softmax'
}

/** An input or output of a model file. Open dimensions are strings or below 1. */
export interface TensorShape {
  name: string
  type: string
  shape: readonly (number | string)[]
}

/** Inputs, outputs and metadata of a model file. */
export interface ModelFile {
  inputs: readonly TensorShape[]
  outputs: readonly TensorShape[]
  metadata: ReadonlyMap<string, string>
}

export const NO_TENSOR: TensorShape = { name: '', type: '', shape: [] }

/** `images float32 [1, 3, 640, 640]` */
export function shapeText({ name, type, shape }: TensorShape): string {
  return `${name} ${type} [${shape.join(', ')}]`
}

const BASES: Readonly<Record<FormatBasis, string>> = {
  config: 'set in the config',
  names: 'by the names of its inputs and outputs',
  // families of models share output layouts: the format does not name the model
  shape: 'guessed from the shape of its output',
}

/** The format and how it is known, for people. */
export function formatText({ format, basis }: Pick<ModelIo, 'format' | 'basis'>): string {
  return `${format} (${BASES[basis]})`
}

/** A dimension; undefined where it is open. */
export function knownDimension({ shape }: TensorShape, index: number): number | undefined {
  const value = shape.at(index)
  return typeof value === 'number' && value > 0 ? value : undefined
}

/** Number of places of a YOLO net of this input size: one for each grid cell of each stride. */
export function gridPlaces({ width, height }: Size, strides: readonly number[] = [8, 16, 32]): number {
  return strides.reduce((sum, stride) => sum + Math.ceil(width / stride) * Math.ceil(height / stride), 0)
}

/** Output and dimension that hold the classes, and the number of other entries in it. */
const CLASS_DIMENSION: Readonly<Partial<Record<Format, { output?: string; index: number; beside: number }>>> =
  {
    yolov8: { index: 1, beside: 4 },
    yolov5: { index: 2, beside: 5 },
    yolox: { index: 2, beside: 5 },
    rtdetr: { index: 2, beside: 4 },
    rfdetr: { output: 'labels', index: 2, beside: 0 },
    detr: { output: 'logits', index: 2, beside: 0 },
  }

/** Number of classes by the output shapes; undefined where these do not show it. */
export function outputClasses(format: Format, { outputs }: ModelFile): number | undefined {
  const place = CLASS_DIMENSION[format]
  if (!place) return undefined
  const tensor = place.output === undefined ? outputs[0] : outputs.find(({ name }) => name === place.output)
  const length = knownDimension(tensor ?? NO_TENSOR, place.index)
  return length === undefined ? undefined : length - place.beside
}
