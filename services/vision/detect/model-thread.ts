import { Worker } from 'node:worker_threads'
import { workerEnv } from '#lib/process/hardening.ts'
import { UnavailableError } from '#lib/unavailable-error.ts'
import type { Inference, ModelFacts, ModelSettings } from './model.ts'
import type { Yuv420 } from './preprocess.ts'
import type { WorkerAnswer, WorkerRequest } from './worker.ts'

const LOAD_TIMEOUT_MS = 60_000
const INFERENCE_TIMEOUT_MS = 15_000
const EXIT_TIMEOUT_MS = 2_000

// ONNX Runtime sends telemetry about machine and model unless this is in the environment of the process, which a worker
// cannot change
process.env.ORT_DISABLE_TELEMETRY = '1'

/** A model in a worker thread, where it may block or crash. After any rejection the thread is unusable. */
export class ModelThread implements AsyncDisposable {
  readonly #worker: Worker
  readonly #ended = Promise.withResolvers<string>()
  #pending: PromiseWithResolvers<WorkerAnswer> | undefined
  #endReason: string | undefined
  #facts: ModelFacts | undefined
  #image: Yuv420 | undefined

  /** Resolves when the model is loaded. Rejects with {@link UnavailableError}. */
  static async start(settings: ModelSettings, timeoutMs = LOAD_TIMEOUT_MS): Promise<ModelThread> {
    const thread = new ModelThread(settings)
    try {
      const answer = await thread.#answer(timeoutMs)
      if (answer.type === 'ready') thread.#facts = answer.facts
      return thread
    } catch (err) {
      await thread[Symbol.asyncDispose]()
      throw err
    }
  }

  private constructor(settings: ModelSettings) {
    this.#worker = new Worker(new URL('./worker.ts', import.meta.url), {
      workerData: settings,
      env: workerEnv(),
      name: 'detector',
    })
    this.#worker.on('message', (answer: WorkerAnswer) => this.#pending?.resolve(answer))
    this.#worker.once('error', (err) => this.#end(oneLine(err)))
    this.#worker.once('exit', (code) => this.#end(`detector thread exited with code ${code}`))
  }

  /** Resolves with the reason when the thread has ended. Never rejects. */
  get ended(): Promise<string> {
    return this.#ended.promise
  }

  /** Format, size and classes of the loaded model. */
  get facts(): ModelFacts | undefined {
    return this.#facts
  }

  /** One image at a time; its planes must be in shared memory. */
  async detect(image: Yuv420, minScore: number): Promise<Inference> {
    const answered = this.#answer(INFERENCE_TIMEOUT_MS)
    if (image !== this.#image) this.#worker.postMessage(image satisfies WorkerRequest)
    this.#image = image
    this.#worker.postMessage(minScore satisfies WorkerRequest)
    const answer = await answered
    if (answer.type !== 'detected') throw new UnavailableError(`unexpected answer: ${answer.type}`)
    return answer
  }

  /** Ends the thread. One that ONNX Runtime does not return from is abandoned, since nothing can interrupt it. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#endReason === undefined) this.#worker.postMessage(null satisfies WorkerRequest)
    const terminate = setTimeout(() => void this.#worker.terminate(), EXIT_TIMEOUT_MS)
    const abandon = setTimeout(() => {
      this.#worker.unref()
      this.#end('the detector thread does not end')
    }, 2 * EXIT_TIMEOUT_MS)
    await this.ended
    clearTimeout(terminate)
    clearTimeout(abandon)
  }

  async #answer(timeoutMs: number): Promise<WorkerAnswer> {
    if (this.#endReason !== undefined) throw new UnavailableError(this.#endReason)
    const pending = Promise.withResolvers<WorkerAnswer>()
    this.#pending = pending
    const late = () => pending.reject(new UnavailableError(`no answer within ${timeoutMs / 1000} s`))
    const timer = setTimeout(late, timeoutMs)
    try {
      return await pending.promise
    } finally {
      clearTimeout(timer)
      this.#pending = undefined
    }
  }

  #end(reason: string): void {
    this.#endReason ??= reason
    this.#pending?.reject(new UnavailableError(this.#endReason))
    this.#ended.resolve(this.#endReason)
  }
}

/** Messages of ONNX Runtime may have many lines, and hold the source path of its build. */
function oneLine(err: unknown): string {
  const text = err instanceof Error ? err.message : String(err)
  return text.replaceAll(/\s+/g, ' ').trim().slice(0, 500)
}
