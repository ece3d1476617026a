import { readlinkSync } from 'node:fs'
import { setPriority } from 'node:os'
import { parentPort, workerData } from 'node:worker_threads'
import { flushCompileCacheSafely } from '#lib/process/hardening.ts'
import { type Inference, loadModel, type ModelFacts, type ModelSettings } from './model.ts'
import type { Yuv420 } from './preprocess.ts'

/** From the worker: `ready` once, when the model is loaded, then one `detected` for each frame. */
export type WorkerAnswer = { type: 'ready'; facts: ModelFacts } | ({ type: 'detected' } & Inference)

/**
 * To the worker: the image in shared memory, before the first frame and when it moves; the lowest score, to run the model
 * on that image; null to end.
 */
export type WorkerRequest = Yuv420 | number | null

/** The niceness of `nice` by default: this thread gets the CPU time that the others leave. */
const NICENESS = 10

// onnxruntime's run() blocks its thread, so it has one of its own
if (!parentPort) throw new Error('runs only as a worker thread')
const port = parentPort
const settings: ModelSettings = workerData
lowerPriority()
const model = await loadModel(settings)

let image: Yuv420 | undefined

async function answer(minScore: number): Promise<WorkerAnswer> {
  if (!image) throw new Error('no image to run the model on')
  return { type: 'detected', ...(await model.detect(image, minScore)) }
}

port.on('message', (request: WorkerRequest) => {
  if (request === null) {
    port.close()
    void model[Symbol.asyncDispose]()
    return
  }
  if (typeof request === 'object') {
    image = request
    return
  }
  answer(request).then(
    (result) => port.postMessage(result),
    (err: unknown) => {
      // ends this thread and emits 'error' on the other side
      process.nextTick(() => {
        throw err
      })
    },
  )
})
port.postMessage({ type: 'ready', facts: model.facts } satisfies WorkerAnswer)
flushCompileCacheSafely()

/**
 * Lowers the priority of the calling thread. Linux keeps priorities by thread, though the function says process; threads
 * started later inherit it. No effect elsewhere. setpriority(2), "C library/kernel differences".
 */
function lowerPriority(): void {
  try {
    // synchronous, so that the link is that of the calling thread: <pid>/task/<tid>
    const tid = readlinkSync('/proc/thread-self').split('/').at(-1)
    setPriority(Number(tid), NICENESS)
  } catch {
    // not Linux, or not permitted: all threads have the same priority
  }
}
