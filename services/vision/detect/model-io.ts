import type { MODEL_FORMATS } from '../config.ts'
import type { Size } from '../image/fit.ts'

/** How a detector writes what it sees. */
export type Format = Exclude<(typeof MODEL_FORMATS)[number], 'auto'>

/** How a picture becomes the input of a model. */
export interface InputLayout {
  size: Size
  /** Stretched to the input, or scaled with grey at both ends or at the far end. */
  letterbox: 'stretch' | 'centre' | 'top-left'
  /** Numbers of 0..1, of 0..255, or by the mean and deviation of ImageNet. */
  scale: 'unit' | 'byte' | 'imagenet'
  colours: 'rgb' | 'bgr'
}

/** What has to be known of a model to use it. */
export interface Layout extends InputLayout {
  format: Format
  /** By class index; a class without a name is never told of. */
  names: readonly string[]
  /** What scores have to go through, if they are no probabilities: softmax has "nothing" as its last class. */
  logits: 'none' | 'sigmoid' | 'softmax'
}

/** An input or output as the file describes it. Dimensions that are open are no numbers, or below 1. */
export interface TensorShape {
  name: string
  type: string
  shape: readonly (number | string)[]
}

/** What a file says of itself. */
export interface ModelFile {
  inputs: readonly TensorShape[]
  outputs: readonly TensorShape[]
  metadata: ReadonlyMap<string, string>
}

export const NO_TENSOR: TensorShape = { name: '', type: '', shape: [] }

/** `images float32 [1, 3, 640, 640]` */
export function describe({ name, type, shape }: TensorShape): string {
  return `${name} ${type} [${shape.join(', ')}]`
}

/** A dimension, or undefined where the file leaves it open. */
export function dimension({ shape }: TensorShape, index: number): number | undefined {
  const value = shape.at(index)
  return typeof value === 'number' && value > 0 ? value : undefined
}

/** How many places a YOLO net of this input has: one for each cell of each of its strides. */
export function cells({ width, height }: Size, strides: readonly number[] = [8, 16, 32]): number {
  return strides.reduce((sum, stride) => sum + Math.ceil(width / stride) * Math.ceil(height / stride), 0)
}

/** Which output and dimension of it hold the classes, and what else is in there. */
const CLASSES: Readonly<Partial<Record<Format, { output?: string; index: number; beside: number }>>> = {
  yolov8: { index: 1, beside: 4 },
  yolov5: { index: 2, beside: 5 },
  yolox: { index: 2, beside: 5 },
  rtdetr: { index: 2, beside: 4 },
  rfdetr: { output: 'labels', index: 2, beside: 0 },
  detr: { output: 'logits', index: 2, beside: 0 },
}

/** How many classes the outputs have; undefined where they do not tell. */
export function classesOf(format: Format, { outputs }: ModelFile): number | undefined {
  const place = CLASSES[format]
  if (!place) return undefined
  const tensor = place.output === undefined ? outputs[0] : outputs.find(({ name }) => name === place.output)
  const length = dimension(tensor ?? NO_TENSOR, place.index)
  return length === undefined ? undefined : length - place.beside
}
