import { parentPort, workerData } from 'node:worker_threads'
import { lowerPriority } from './low-priority.ts'
import { loadModel } from './model.ts'
import type { Candidate } from './nms.ts'
import type { Yuv420 } from './stretch.ts'

/** Given as `workerData`. */
export interface WorkerOptions {
  model: string
  minScore: number
}

/** From the worker: first that the model is loaded, then one answer to each picture. */
export type WorkerAnswer =
  | { type: 'ready' }
  | { type: 'detected'; candidates: Candidate[]; inferenceMs: number }

/** To the worker: a picture whose planes lie in shared memory, or null to end. */
export type WorkerRequest = Yuv420 | null

// onnxruntime's run() blocks its thread, so it has one of its own
if (!parentPort) throw new Error('runs as a worker thread only')
const port = parentPort
const { model: path, minScore }: WorkerOptions = workerData
lowerPriority()
const model = await loadModel(path)

async function answer(picture: Yuv420): Promise<WorkerAnswer> {
  const start = performance.now()
  const candidates = await model.detect(picture, minScore)
  return { type: 'detected', candidates, inferenceMs: performance.now() - start }
}

port.on('message', (picture: WorkerRequest) => {
  if (picture === null) {
    port.close()
    void model[Symbol.asyncDispose]()
    return
  }
  answer(picture).then(
    (result) => port.postMessage(result),
    (err: unknown) => {
      // ends this thread with an 'error' for the other side
      process.nextTick(() => {
        throw err
      })
    },
  )
})
port.postMessage({ type: 'ready' } satisfies WorkerAnswer)
