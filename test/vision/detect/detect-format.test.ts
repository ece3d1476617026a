import assert from 'node:assert/strict'
import { test } from 'node:test'
import { UnavailableError } from '#lib/unavailable-error.ts'
import { DetectorSection } from '#services/vision/config.ts'
import { detectFormat } from '#services/vision/detect/detect-format.ts'
import { formatText, type ModelIo, type TensorShape } from '#services/vision/detect/model-io.ts'
import { COCO, COCO_91 } from '#services/vision/detect/names.ts'

type Shape = TensorShape['shape']

/** A model with an input of 64×64, which has 84 places at three scales and 85 at four. */
interface Draft {
  image?: Shape
  inputs?: readonly TensorShape[]
  outputs: Shape | readonly TensorShape[]
  metadata?: Record<string, string>
  names?: readonly string[] | undefined
  settings?: object
}

const THREE = ['cat', 'dog', 'bird']
const tensor = (name: string, shape: Shape, type = 'float32'): TensorShape => ({ name, type, shape })
const isShape = (outputs: Draft['outputs']): outputs is Shape => typeof outputs[0] !== 'object'

function detect({ image = [1, 3, 64, 64], inputs = [], outputs, metadata = {}, ...rest }: Draft): ModelIo {
  const file = {
    inputs: [tensor('images', image), ...inputs],
    outputs: isShape(outputs) ? [tensor('output0', outputs)] : outputs,
    metadata: new Map(Object.entries(metadata)),
  }
  const settings = DetectorSection.parse({ model: 'model.onnx', ...rest.settings })
  return detectFormat(file, { ...settings, names: 'names' in rest ? rest.names : THREE })
}

const boxes = (columns: number) => tensor('dets', [1, 100, columns])
const classes = (count: number) => tensor('labels', [1, 100, count])
const INDICES = tensor('labels', [1, 100], 'int64')
const SIZES = tensor('orig_target_sizes', [1, 2], 'int64')
const detr = (count: number) => [tensor('logits', [1, 100, count]), tensor('pred_boxes', [1, 100, 4])]
const DFINE = [INDICES, tensor('boxes', [1, 300, 4]), tensor('scores', [1, 300])]

const IDENTIFIED: Record<string, [Draft, Partial<ModelIo>]> = {
  'rows of boxes and classes': [
    { outputs: [1, 7, 84] },
    { format: 'yolov8', letterbox: 'centre', scale: 'unit', colours: 'rgb', logits: 'none' },
  ],
  'other places than those of the grid': [
    { outputs: [1, 7, 100] },
    { format: 'yolov8', letterbox: 'stretch' },
  ],
  'an open number of places': [{ outputs: [1, 7, 'n'] }, { format: 'yolov8', letterbox: 'centre' }],
  'three anchors at three scales': [
    { outputs: [1, 252, 8] },
    { format: 'yolov5', letterbox: 'centre', scale: 'unit', colours: 'rgb' },
  ],
  'three anchors at four scales': [{ outputs: [1, 255, 8] }, { format: 'yolov5' }],
  'places at three scales': [
    { outputs: [1, 84, 8] },
    { format: 'yolox', letterbox: 'top-left', scale: 'byte', colours: 'bgr' },
  ],
  'places at four scales': [{ outputs: [1, 85, 8] }, { format: 'yolox' }],
  'a score and a class': [{ outputs: [1, 300, 6] }, { format: 'end2end', letterbox: 'centre' }],
  'a score and a class, by the metadata': [
    { outputs: [1, 300, 6], metadata: { end2end: 'TRUE' }, names: ['cat', 'dog'] },
    { format: 'end2end' },
  ],
  'not end to end, by the metadata': [
    { outputs: [1, 7, 84], metadata: { end2end: 'False' } },
    { format: 'yolov8' },
  ],
  queries: [{ outputs: [1, 300, 7] }, { format: 'rtdetr', letterbox: 'stretch', scale: 'unit' }],
  'a thousand queries': [{ outputs: [1, 1_000, 7] }, { format: 'rtdetr' }],
  'two classes in queries': [
    { outputs: [1, 300, 6], names: ['cat', 'dog'], settings: { format: 'rtdetr' } },
    { format: 'rtdetr' },
  ],
  'the sizes of the image as input': [
    { inputs: [SIZES], outputs: DFINE },
    { format: 'dfine', letterbox: 'stretch', scale: 'unit', logits: 'none' },
  ],
  'a class for nothing': [
    { outputs: detr(4) },
    { format: 'detr', logits: 'softmax', scale: 'imagenet', letterbox: 'stretch' },
  ],
  'a sigmoid': [{ outputs: detr(3) }, { format: 'detr', logits: 'sigmoid', scale: 'unit' }],
  'boxes without logits': [{ outputs: [tensor('pred_boxes', [1, 100, 7])] }, { format: 'rtdetr' }],
  'boxes and indices': [
    { outputs: [boxes(5), INDICES] },
    { format: 'mmdeploy', letterbox: 'top-left', scale: 'imagenet', colours: 'bgr', logits: 'none' },
  ],
  'boxes and a score for each class': [
    { outputs: [boxes(4), classes(3)] },
    { format: 'rfdetr', letterbox: 'stretch', scale: 'imagenet', logits: 'sigmoid' },
  ],
  'an open batch and open channels': [
    { image: ['b', 'c', 64, 64], outputs: [1, 7, 84] },
    { format: 'yolov8' },
  ],
  'a batch of one for detection': [
    { image: [1, 3, 64, 64], outputs: [1, 7, 84], metadata: { task: 'detect' } },
    { format: 'yolov8' },
  ],
  'the largest input': [{ image: [1, 3, 4_096, 4_096], outputs: [1, 7, 'n'] }, { format: 'yolov8' }],
  'a size of the metadata, height first': [
    { image: [1, 3, 'h', 'w'], outputs: [1, 7, 'n'], metadata: { imgsz: '[64, 32]' } },
    { size: { width: 32, height: 64 } },
  ],
  'one size of the metadata': [
    { image: [1, 3, 'h', 'w'], outputs: [1, 7, 'n'], metadata: { imgsz: '64' } },
    { size: { width: 64, height: 64 } },
  ],
  'the size of the config before that of the metadata': [
    {
      image: [1, 3, 'h', 'w'],
      outputs: [1, 7, 'n'],
      metadata: { imgsz: '64' },
      settings: { size: { width: 128, height: 96 } },
    },
    { size: { width: 128, height: 96 } },
  ],
  'the size of the file before that of the config': [
    { image: [1, 3, 96, 64], outputs: [1, 7, 'n'], settings: { size: { width: 128, height: 96 } } },
    { size: { width: 64, height: 96 } },
  ],
  'an unknown letterbox of the metadata': [
    { outputs: [1, 7, 84], metadata: { letterbox: 'other' } },
    { letterbox: 'centre' },
  ],
  ...Object.fromEntries(
    (['stretch', 'centre', 'top-left'] as const).map((letterbox) => [
      `the letterbox ${letterbox} of the metadata`,
      [
        { outputs: [1, 84, 8], metadata: { letterbox } },
        { format: 'yolox', letterbox },
      ],
    ]),
  ),
  'the classes of COCO': [
    { image: [1, 3, 128, 128], outputs: [1, 84, 336], names: undefined },
    { format: 'yolov8', names: COCO },
  ],
  'the classes of COCO and one for nothing': [
    { outputs: detr(81), names: undefined },
    { names: COCO, logits: 'softmax' },
  ],
  'the numbers of COCO and one for nothing': [
    { outputs: detr(92), names: undefined },
    { names: COCO_91, logits: 'softmax' },
  ],
  'the numbers of COCO': [
    { outputs: detr(91), names: undefined },
    { names: COCO_91, logits: 'sigmoid' },
  ],
}

for (const [what, [draft, expected]] of Object.entries(IDENTIFIED)) {
  test(`a model is identified by ${what}`, () => {
    const found = detect(draft)
    assert.deepEqual({ ...found, ...expected }, found)
  })
}

const UNKNOWN = /cannot identify the format of this model: set detector\.format/

const DOUBTFUL: Record<string, [Draft, RegExp]> = {
  'an open number of places and other classes': [{ outputs: [1, 8, 'n'] }, UNKNOWN],
  'an open number of places and unknown classes': [{ outputs: [1, 7, 'n'], names: undefined }, UNKNOWN],
  'an open number of rows': [{ outputs: [1, 'n', 7] }, UNKNOWN],
  'an output without a fixed dimension': [{ outputs: [1, 'n', 'm'] }, UNKNOWN],
  'more than a thousand queries': [{ outputs: [1, 1_001, 7] }, UNKNOWN],
  'an output of two dimensions': [{ outputs: [300, 7] }, UNKNOWN],
  'end to end with another layout': [{ outputs: [1, 300, 7], metadata: { end2end: 'true' } }, UNKNOWN],
  'a score and a class, or two classes': [{ outputs: [1, 300, 6], names: ['cat', 'dog'] }, UNKNOWN],
  'sizes of the image and other outputs': [{ inputs: [SIZES], outputs: [1, 300, 7] }, UNKNOWN],
  ...Object.fromEntries(
    DFINE.map(({ name }) => [
      `sizes of the image, without ${name}`,
      [{ inputs: [SIZES], outputs: DFINE.filter((one) => one.name !== name) }, UNKNOWN],
    ]),
  ),
  'logits without boxes': [{ outputs: [tensor('logits', [1, 100, 4])] }, UNKNOWN],
  'scored boxes and a score for each class': [{ outputs: [boxes(5), classes(3)] }, UNKNOWN],
  'boxes and indices without a score': [{ outputs: [boxes(4), INDICES] }, UNKNOWN],
  'boxes of six columns': [{ outputs: [boxes(6), classes(3)] }, UNKNOWN],
  'boxes, classes and a third output': [
    { outputs: [boxes(4), classes(3), tensor('masks', [1, 100, 16])] },
    UNKNOWN,
  ],
  'boxes alone': [{ outputs: [boxes(5)] }, /3 class names in the metadata, but the model has 1 classes/],
  'indices alone': [{ outputs: [INDICES] }, UNKNOWN],
  'indices and another output': [{ outputs: [tensor('other', [1, 100, 5]), INDICES] }, UNKNOWN],
  'an image of three dimensions': [
    { image: [1, 64, 64], outputs: [1, 7, 84], settings: { size: { width: 64, height: 64 } } },
    UNKNOWN,
  ],
  'an image of one channel': [{ image: [1, 1, 64, 64], outputs: [1, 7, 84] }, UNKNOWN],
  'a size of 0 in the metadata': [
    { image: [1, 3, 'h', 'w'], outputs: [1, 7, 'n'], metadata: { imgsz: '[0, 64]' } },
    /no fixed size: set detector\.size/,
  ],
  'an open height': [{ image: [1, 3, 'h', 64], outputs: [1, 7, 84] }, /no fixed size: set detector\.size/],
  'an open width': [{ image: [1, 3, 64, 'w'], outputs: [1, 7, 84] }, /no fixed size: set detector\.size/],
  'an input that is too wide': [
    { image: [1, 3, 32, 4_097], outputs: [1, 7, 84] },
    /the input is larger than 4096x4096/,
  ],
  'an input that is too high': [
    { image: [1, 3, 4_097, 32], outputs: [1, 7, 84] },
    /the input is larger than 4096x4096/,
  ],
  'another purpose': [
    { outputs: [1, 7, 84], metadata: { task: 'pose' } },
    /a model for "pose", not for detection/,
  ],
  'a batch of two': [
    { image: [2, 3, 64, 64], outputs: [1, 7, 84] },
    /a model for batches of 2 images: export it for one/,
  ],
  'names of other classes': [
    { outputs: [1, 8, 84], names: THREE },
    /3 class names in the metadata, but the model has 4 classes/,
  ],
  'one name less than a format without a class for nothing has': [
    { outputs: [boxes(4), classes(4)] },
    /3 class names in the metadata, but the model has 4 classes/,
  ],
  'two names less than classes': [
    { outputs: detr(5) },
    /3 class names in the metadata, but the model has 5 classes/,
  ],
  'one name more than classes': [
    { outputs: detr(2) },
    /3 class names in the metadata, but the model has 2 classes/,
  ],
  'classes without names': [
    { outputs: [1, 300, 9], names: undefined },
    /a model with 5 classes: set detector\.names/,
  ],
  'an unknown number of classes': [
    { outputs: [1, 300, 6], names: undefined },
    /a model with an unknown number of classes: set detector\.names/,
  ],
}

for (const [what, [draft, error]] of Object.entries(DOUBTFUL)) {
  test(`a model is refused for ${what}, with its shapes`, () => {
    // as parsed from the metadata, which an error names
    const { names, ...rest } = { names: THREE, ...draft }
    const metadata = { ...rest.metadata, ...(names && { names: JSON.stringify(names) }) }
    assert.throws(
      () => detect({ ...rest, metadata, names: undefined }),
      (err) => {
        assert.ok(err instanceof UnavailableError)
        assert.match(err.message, error)
        assert.match(err.message, /\(inputs: images float32 \[.*\]; outputs: \w+ \w+ \[.*\]\)$/)
        return true
      },
    )
  })
}

test('how a format is known: the config, distinctive names, or the shape alone', () => {
  const known: [Draft, string][] = [
    [{ outputs: [1, 7, 84] }, 'yolov8 (guessed from the shape of its output)'],
    [
      { outputs: [1, 300, 6], metadata: { end2end: 'true' } },
      'end2end (guessed from the shape of its output)',
    ],
    [{ outputs: detr(3) }, 'detr (by the names of its inputs and outputs)'],
    [{ inputs: [SIZES], outputs: DFINE }, 'dfine (by the names of its inputs and outputs)'],
    [{ outputs: [1, 7, 84], settings: { format: 'yolov8' } }, 'yolov8 (set in the config)'],
  ]
  for (const [draft, text] of known) assert.equal(formatText(detect(draft)), text)
})
