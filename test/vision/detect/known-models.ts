import type { Element, Fixed, ModelDraft, Value } from '#dev/harness/onnx-writer.ts'
import { COCO, COCO_91 } from '#services/vision/detect/names.ts'
import type { Yuv420 } from '#services/vision/detect/preprocess.ts'

/** A picture of 16:9, so that letterboxes differ from stretching. */
export const PICTURE: Yuv420 = {
  width: 128,
  height: 72,
  matrix: 'bt601',
  y: new Uint8Array(128 * 72).fill(100),
  u: new Uint8Array(64 * 36).fill(128),
  v: new Uint8Array(64 * 36).fill(128),
}
/** Where every model of this file sees a dog: x, y, width, height of the picture. */
export const BOX = [0.25, 0.25, 0.5, 0.5]
export const NAMES = ['cat', 'dog', 'bird']
export const NAMED = "{0: 'cat', 1: 'dog', 2: 'bird'}"
const DOG = 1
const SIDE = 64
export const images = (name = 'images', type: Element = 'float32'): Value => ({
  name,
  type,
  shape: [1, 3, SIDE, SIDE],
})

/** Left, top, right, bottom of the box in the input. */
const STRETCHED = [16, 16, 48, 48]
/** 128×72 becomes 64×36, 14 rows from the top. */
const CENTRED = [16, 14 + 9, 48, 14 + 27]
const AT_TOP = [16, 9, 48, 27]
const centreOf = ([left = 0, top = 0, right = 0, bottom = 0]: number[]) => [
  (left + right) / 2,
  (top + bottom) / 2,
  right - left,
  bottom - top,
]
const parts = (edges: number[]) => centreOf(edges).map((value) => value / SIDE)

/** [1, columns, N]: the dog at place 7. */
function inRows(name: string, columns: number[], places: number): Fixed {
  const values = new Float32Array(columns.length * places)
  for (const [row, value] of columns.entries()) values[row * places + 7] = value
  return { name, shape: [1, columns.length, places], values }
}

/** [1, N, columns]: the dog at place 7. */
function inPlaces(name: string, columns: number[], places: number, type: Element = 'float32'): Fixed {
  const values = new Float32Array(columns.length * places)
  values.set(columns, 7 * columns.length)
  return { name, type, shape: [1, places, columns.length], values }
}

const logit = (probability: number) => Math.log(probability / (1 - probability))
export const v8 = inRows('output0', [...centreOf(CENTRED), 0.1, 0.8, 0.2], 84)
const labels = (values: number[], places: number, type: Element): Fixed => ({
  name: 'labels',
  type,
  shape: [1, places],
  values: Object.assign(new Float32Array(places), { 7: values[0] ?? 0 }),
})

/** Every row of models/README.md: the file, what has to be configured, and what it is recognised as. */
export const MODELS: Record<string, { draft: ModelDraft; settings?: object; format: string }> = {
  'YOLOv8 and later, by its metadata': {
    draft: { inputs: [images()], outputs: [v8], metadata: { task: 'detect', names: NAMED, stride: '32' } },
    format: 'yolov8',
  },
  'YOLOv8 with an input of any size': {
    draft: {
      inputs: [{ name: 'images', shape: ['batch', 3, 'height', 'width'] }],
      outputs: [v8],
      metadata: { names: NAMED, imgsz: '[64, 64]' },
    },
    format: 'yolov8',
  },
  'YOLOv8 with two classes is not [1, N, 6]': {
    draft: { inputs: [images()], outputs: [inRows('output0', [...centreOf(CENTRED), 0.1, 0.8], 84)] },
    settings: { names: ['cat', 'dog'] },
    format: 'yolov8',
  },
  'end to end, told by its metadata': {
    draft: {
      inputs: [images()],
      outputs: [inPlaces('output0', [...CENTRED, 0.8, DOG], 300)],
      metadata: { end2end: 'True', names: NAMED },
    },
    format: 'end2end',
  },
  'end to end, told by its shape': {
    draft: { inputs: [images()], outputs: [inPlaces('output0', [...CENTRED, 0.8, DOG], 300)] },
    settings: { names: NAMES },
    format: 'end2end',
  },
  'YOLOX without its decoder': {
    // place 7 of stride 8 is the last cell of the first row: (7, 0)
    draft: {
      inputs: [images()],
      outputs: [
        inPlaces(
          'output',
          [32 / 8 - 7, 18 / 8, Math.log(32 / 8), Math.log(18 / 8), 0.9, 0.1, 0.8 / 0.9, 0.2],
          84,
        ),
      ],
    },
    settings: { names: NAMES },
    format: 'yolox',
  },
  'YOLOX with its decoder': {
    draft: { inputs: [images()], outputs: [decodedYolox()] },
    settings: { names: NAMES },
    format: 'yolox',
  },
  'RT-DETR and D-FINE of their authors': {
    draft: {
      inputs: [images(), { name: 'orig_target_sizes', type: 'int64', shape: [1, 2] }],
      outputs: [
        labels([DOG], 300, 'int64'),
        { ...inPlaces('boxes', STRETCHED, 300) },
        { ...labels([0.8], 300, 'float32'), name: 'scores' },
      ],
    },
    settings: { names: NAMES },
    format: 'dfine',
  },
  'RT-DETR of Ultralytics': {
    draft: { inputs: [images()], outputs: [inPlaces('output0', [...parts(STRETCHED), 0.1, 0.8, 0.2], 300)] },
    settings: { names: NAMES },
    format: 'rtdetr',
  },
  YOLOv5: {
    draft: {
      inputs: [images()],
      outputs: [inPlaces('output0', [...centreOf(CENTRED), 0.9, 0.1, 0.8 / 0.9, 0.2], 3 * 84)],
      metadata: { names: NAMED },
    },
    format: 'yolov5',
  },
  'RF-DETR with COCO’s own numbers': {
    draft: {
      inputs: [images('input')],
      outputs: [
        inPlaces('dets', parts(STRETCHED), 100),
        inPlaces('labels', logits(91, COCO_91.indexOf('dog')), 100),
      ],
    },
    format: 'rfdetr',
  },
  'RTMDet through mmdeploy': {
    draft: {
      inputs: [images('input')],
      outputs: [inPlaces('dets', [...AT_TOP, 0.8], 100), labels([DOG], 100, 'int64')],
    },
    settings: { names: NAMES },
    format: 'mmdeploy',
  },
  'DETR of Hugging Face, with a class for nothing': {
    draft: {
      inputs: [images('pixel_values'), { name: 'pixel_mask', type: 'int64', shape: [1, SIDE, SIDE] }],
      outputs: [softmax(92, COCO_91.indexOf('dog')), inPlaces('pred_boxes', parts(STRETCHED), 100)],
    },
    format: 'detr',
  },
  'RT-DETR of Hugging Face, with a sigmoid': {
    draft: {
      inputs: [images('pixel_values')],
      outputs: [
        inPlaces('logits', logits(80, COCO.indexOf('dog')), 100),
        inPlaces('pred_boxes', parts(STRETCHED), 100),
      ],
    },
    format: 'detr',
  },
}

function logits(classes: number, dog: number): number[] {
  return Array.from({ length: classes }, (_, i) => (i === dog ? logit(0.8) : -9))
}

/** Logits whose softmax gives the dog 0.8 at place 7, and nothing anywhere else. */
function softmax(classes: number, dog: number): Fixed {
  const values = new Float32Array(100 * classes).fill(-20)
  for (let place = 0; place < 100; place++) values[(place + 1) * classes - 1] = 9
  values[7 * classes + dog] = Math.log(0.8)
  values[8 * classes - 1] = Math.log(0.2)
  return { name: 'logits', shape: [1, 100, classes], values }
}

/** Boxes all over the input, as a trained net gives them, nearly all of nothing. */
function decodedYolox(): Fixed {
  const output = inPlaces('output', [...centreOf(AT_TOP), 0.9, 0.1, 0.8 / 0.9, 0.2], 84)
  const values = Float32Array.from(output.values ?? [])
  for (let place = 0; place < 84; place++) if (place !== 7) values[place * 8] = (place * 37) % SIDE
  return { ...output, values }
}
