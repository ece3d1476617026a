import { parentPort, workerData } from 'node:worker_threads'
import { lowerPriority } from './low-priority.ts'
import { loadModel, type ModelFacts, type ModelSettings, type Seen } from './model.ts'
import type { Yuv420 } from './preprocess.ts'

/** From the worker: first that the model is loaded, then one answer to each picture. */
export type WorkerAnswer = { type: 'ready'; facts: ModelFacts } | ({ type: 'detected' } & Seen)

/**
 * To the worker: where the pictures are, in shared memory, before the first and when that changes; the lowest score to
 * look at the picture that lies there now; null to end.
 */
export type WorkerRequest = Yuv420 | number | null

// onnxruntime's run() blocks its thread, so it has one of its own
if (!parentPort) throw new Error('runs as a worker thread only')
const port = parentPort
const settings: ModelSettings = workerData
lowerPriority()
const model = await loadModel(settings)

let picture: Yuv420 | undefined

async function answer(minScore: number): Promise<WorkerAnswer> {
  if (!picture) throw new Error('no picture to look at')
  return { type: 'detected', ...(await model.detect(picture, minScore)) }
}

port.on('message', (request: WorkerRequest) => {
  if (request === null) {
    port.close()
    void model[Symbol.asyncDispose]()
    return
  }
  if (typeof request === 'object') {
    picture = request
    return
  }
  answer(request).then(
    (result) => port.postMessage(result),
    (err: unknown) => {
      // ends this thread with an 'error' for the other side
      process.nextTick(() => {
        throw err
      })
    },
  )
})
port.postMessage({ type: 'ready', facts: model.facts } satisfies WorkerAnswer)
