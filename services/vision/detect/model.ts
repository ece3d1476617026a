import { InferenceSession, Tensor } from 'onnxruntime-node'
import { decode, ROWS } from './decode.ts'
import { type Candidate, suppress } from './nms.ts'
import { createStretcher, type Yuv420 } from './stretch.ts'

/** Boxes that overlap more are the same thing. */
const SAME = 0.5
const MOST = 50

export interface Model extends AsyncDisposable {
  /** What is in the picture, of any class, best first. Blocks the thread for the inference. */
  detect(picture: Yuv420, minScore: number): Promise<Candidate[]>
}

/**
 * Loads a detector of the YOLOv8 layout: one input [1, 3, height, width], RGB 0..1, one output [1, 84, N]. Rejects when
 * the file is missing, damaged, or something else.
 */
export async function loadModel(path: string): Promise<Model> {
  const session = await InferenceSession.create(path, {
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
    // spinning burns whole cores between two pictures
    extra: { session: { intra_op: { allow_spinning: '0' }, inter_op: { allow_spinning: '0' } } },
  })
  const { input, size } = inputOf(session)
  const stretch = createStretcher(size)
  const pixels = new Float32Array(3 * size.width * size.height)
  const tensor = new Tensor('float32', pixels, [1, 3, size.height, size.width])

  async function run(): Promise<Float32Array> {
    const output = (await session.run({ [input]: tensor }))[session.outputNames[0] ?? '']
    const [batch, rows] = output?.dims ?? []
    if (!output || !(output.data instanceof Float32Array) || batch !== 1 || rows !== ROWS) {
      throw new Error(`the model gives [${output?.dims}], [1, ${ROWS}, N] was expected`)
    }
    return output.data
  }

  await run()
  return {
    async detect(picture, minScore) {
      stretch(picture, pixels)
      return suppress(decode(await run(), size, minScore), SAME, MOST)
    },
    [Symbol.asyncDispose]: () => session.release(),
  }
}

function inputOf(session: InferenceSession) {
  const [meta, ...others] = session.inputMetadata
  const [batch, channels, height, width] = meta?.isTensor ? meta.shape : []
  const fixed = typeof height === 'number' && typeof width === 'number'
  if (!meta || others.length > 0 || !fixed || height <= 0 || width <= 0 || channels !== 3 || batch !== 1) {
    throw new Error(
      `the model takes [${meta?.isTensor ? meta.shape : ''}], [1, 3, height, width] was expected`,
    )
  }
  return { input: meta.name, size: { width, height } }
}
