import { env, InferenceSession, Tensor } from 'onnxruntime-node'
import { UnavailableError } from '#lib/unavailable-error.ts'
import type { DetectorSection } from '../config.ts'
import type { Size } from '../image/fit.ts'
import { decode, type Output, type RawDetection } from './decode.ts'
import { detectFormat } from './detect-format.ts'
import { type ModelFile, type ModelIo, NO_TENSOR, shapeText, type TensorShape } from './model-io.ts'
import { readNames } from './names.ts'
import { type Candidate, suppress } from './nms.ts'
import { readMetadata } from './onnx-metadata.ts'
import { createPreprocessor, place, type Yuv420 } from './preprocess.ts'

/** Boxes with a larger IoU are the same object. */
const SUPPRESSION_IOU = 0.5
const MAX_CANDIDATES = 50
const MAX_DESCRIPTION_LENGTH = 100
/** The runtime writes its log to stderr, past our logger; what is fatal to us it throws as well. */
const ONLY_FATAL = 4
env.logLevel = 'fatal'
/** Tensor types that onnxruntime-node 1.30 and this code convert; it has no float16. */
const TYPES: ReadonlySet<string> = new Set(['float32', 'int32', 'int64'])

/** The result of running the model on one image. */
export interface Inference {
  /** Best first. */
  candidates: Candidate[]
  /** `session.run()` alone, in ms. */
  runMs: number
}

/** What is known of a loaded model. */
export interface ModelFacts extends Pick<ModelIo, 'format' | 'basis' | 'letterbox' | 'scale' | 'colours'> {
  size: Size
  classes: number
  /** What the model is, and its license, by its metadata. */
  description: string | null
  licence: string | null
}

export interface Model extends AsyncDisposable {
  readonly facts: ModelFacts
  /** Detections of any class. Blocks the thread during the inference. */
  detect(image: Yuv420, minScore: number): Promise<Inference>
}

export type ModelSettings = Pick<
  DetectorSection,
  'model' | 'threads' | 'format' | 'names' | 'size' | 'letterbox' | 'scale' | 'colours'
>

/**
 * Loads a detector of any format of models/README.md. Rejects when the file is missing, damaged, or of another kind, with
 * {@link UnavailableError} where the cause is known.
 */
export async function loadModel(settings: ModelSettings): Promise<Model> {
  const metadata = await readMetadata(settings.model).catch((err: NodeJS.ErrnoException) => {
    throw new UnavailableError(
      `cannot read ${settings.model}: ${err.code === 'ENOENT' ? 'not found' : err.code}`,
    )
  })
  const names = settings.names === undefined ? undefined : await readNames(settings.names)
  const session = await InferenceSession.create(settings.model, {
    intraOpNumThreads: settings.threads,
    interOpNumThreads: 1,
    logSeverityLevel: ONLY_FATAL,
    // spinning uses whole cores between two frames
    extra: { session: { intra_op: { allow_spinning: '0' }, inter_op: { allow_spinning: '0' } } },
  })
  try {
    const file = {
      inputs: session.inputMetadata.map(shapeOf),
      outputs: session.outputMetadata.map(shapeOf),
      metadata,
    }
    const io = detectFormat(file, { ...settings, names })
    return await open(session, io, file)
  } catch (err) {
    await session.release()
    throw err
  }
}

async function open(session: InferenceSession, io: ModelIo, file: ModelFile): Promise<Model> {
  const [images = NO_TENSOR] = file.inputs
  const unusual = images.type === 'float32' ? file.outputs.find(({ type }) => !TYPES.has(type)) : images
  if (unusual) {
    throw new UnavailableError(`${shapeText(unusual)}: export the model with float32 inputs and outputs`)
  }
  const preprocess = createPreprocessor(io)
  const feeds = createFeeds(file, io.size)

  async function run(minScore: number) {
    const start = performance.now()
    const results = await session.run(feeds.tensors)
    const runMs = performance.now() - start
    const outputs = new Map(Object.entries(results).map(([name, tensor]) => [name, outputOf(tensor)]))
    try {
      return { raws: decode(io, outputs, minScore), runMs }
    } finally {
      for (const { data } of Object.values(results)) free(data)
    }
  }

  await run(1)
  const { names, logits: _, ...facts } = io
  const licence = file.metadata.get('license') ?? null
  const description = plainText(file.metadata.get('description'))
  return {
    facts: { ...facts, classes: names.length, description, licence },
    async detect(image, minScore) {
      preprocess(image, feeds.pixels)
      const { raws, runMs } = await run(minScore)
      const candidates = toCandidates(raws, io, image)
      return { candidates: suppress(candidates, SUPPRESSION_IOU, MAX_CANDIDATES), runMs }
    },
    [Symbol.asyncDispose]: () => session.release(),
  }
}

/** Text of a file for log and page; null where there is none. */
function plainText(text = ''): string | null {
  return (
    text
      .replace(/[^\p{L}\p{N}\p{P}\p{S} ]+/gu, ' ')
      .trim()
      .slice(0, MAX_DESCRIPTION_LENGTH) || null
  )
}

/** As fractions of the image, clipped to it; classes without a name are discarded. */
function toCandidates(raws: readonly RawDetection[], io: ModelIo, image: Size): Candidate[] {
  const { width, height, left, top } = place(image, io)
  const candidates: Candidate[] = []
  for (const { index, score, edges } of raws) {
    const label = io.names[index]
    if (!label) continue
    const x1 = clamp((edges[0] - left) / width)
    const y1 = clamp((edges[1] - top) / height)
    const x2 = clamp((edges[2] - left) / width)
    const y2 = clamp((edges[3] - top) / height)
    if (x2 > x1 && y2 > y1) candidates.push({ label, score, box: [x1, y1, x2 - x1, y2 - y1] })
  }
  return candidates
}

/** Input tensors: the image, and the further inputs of some formats. */
function createFeeds({ inputs }: ModelFile, size: Size) {
  const [images = NO_TENSOR] = inputs
  const pixels = new Float32Array(3 * size.width * size.height)
  const dims = [1, 3, size.height, size.width]
  const others = inputs.slice(1).map((input) => [input.name, furtherInput(input, size)] as const)
  const feeds = { ...Object.fromEntries(others), [images.name]: new Tensor('float32', pixels, dims) }
  return { pixels, tensors: feeds }
}

function furtherInput(input: TensorShape, { width, height }: Size): Tensor {
  // boxes are then in pixels of the input, which the image is stretched to
  if (input.name === 'orig_target_sizes') {
    return new Tensor('int64', BigInt64Array.of(BigInt(width), BigInt(height)), [1, 2])
  }
  if (input.name === 'pixel_mask') {
    const [rows, columns] = [2, 1].map((fromEnd) => Number(input.shape.at(-fromEnd)))
    const dims = [1, rows && rows > 0 ? rows : height, columns && columns > 0 ? columns : width]
    const area = (dims[1] ?? 0) * (dims[2] ?? 0)
    return new Tensor('int64', new BigInt64Array(area).fill(1n), dims)
  }
  throw new UnavailableError(`unsupported input: ${shapeText(input)}`)
}

/** Returns the memory of a result at once. V8 does not see it and would keep more than 60 MiB of results before it collects them. */
function free(data: Tensor['data']): void {
  if (!ArrayBuffer.isView(data) || !(data.buffer instanceof ArrayBuffer)) return
  // two results may share it
  if (!data.buffer.detached) data.buffer.transfer(0)
}

function outputOf({ data, dims }: Tensor): Output {
  if (data instanceof Float32Array) return { data, dims }
  if (data instanceof BigInt64Array) return { data: Float32Array.from(data, Number), dims }
  return { data: data instanceof Int32Array ? Float32Array.from(data) : new Float32Array(), dims }
}

function shapeOf(meta: InferenceSession.ValueMetadata): TensorShape {
  return {
    name: meta.name,
    type: meta.isTensor ? meta.type : 'not a tensor',
    shape: meta.isTensor ? meta.shape : [],
  }
}

function clamp(value: number): number {
  return Math.max(0, Math.min(1, value))
}
