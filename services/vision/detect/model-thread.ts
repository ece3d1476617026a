import { Worker } from 'node:worker_threads'
import { UnavailableError } from '#lib/unavailable-error.ts'
import type { ModelFacts, ModelSettings, Seen } from './model.ts'
import type { Yuv420 } from './preprocess.ts'
import type { WorkerAnswer, WorkerRequest } from './worker.ts'

/** A model that loads or answers slower than this hangs. Milliseconds. */
const LOAD_DEADLINE = 60_000
const ANSWER_DEADLINE = 15_000
/** What a thread gets to end by itself. */
const END_DEADLINE = 2_000

// ONNX Runtime tells Microsoft of machine and model unless it finds this in the environment of the process, which a
// worker cannot change
process.env.ORT_DISABLE_TELEMETRY = '1'

/** A model in a thread of its own: it may block or crash there. After any rejection the thread is of no more use. */
export class ModelThread implements AsyncDisposable {
  readonly #worker: Worker
  readonly #ended = Promise.withResolvers<string>()
  #pending: PromiseWithResolvers<WorkerAnswer> | undefined
  #over: string | undefined
  #facts: ModelFacts | undefined
  #picture: Yuv420 | undefined

  /** Resolves when the model is loaded. Rejects with {@link UnavailableError}. */
  static async start(settings: ModelSettings): Promise<ModelThread> {
    const thread = new ModelThread(settings)
    try {
      const answer = await thread.#answer(LOAD_DEADLINE)
      if (answer.type === 'ready') thread.#facts = answer.facts
      return thread
    } catch (err) {
      await thread.#worker.terminate()
      throw err
    }
  }

  private constructor(settings: ModelSettings) {
    this.#worker = new Worker(new URL('./worker.ts', import.meta.url), {
      workerData: settings,
      name: 'detector',
    })
    this.#worker.on('message', (answer: WorkerAnswer) => this.#pending?.resolve(answer))
    this.#worker.once('error', (err) => this.#end(err instanceof Error ? err.message : String(err)))
    this.#worker.once('exit', (code) => this.#end(`the thread of the detector ended with code ${code}`))
  }

  /** Resolves with the reason when the thread has ended by itself or otherwise. Never rejects. */
  get ended(): Promise<string> {
    return this.#ended.promise
  }

  /** What the model turned out to be. */
  get facts(): ModelFacts | undefined {
    return this.#facts
  }

  /** One picture at a time; its planes must lie in shared memory. */
  async detect(picture: Yuv420, minScore: number): Promise<Seen> {
    const answered = this.#answer(ANSWER_DEADLINE)
    if (picture !== this.#picture) this.#worker.postMessage(picture satisfies WorkerRequest)
    this.#picture = picture
    this.#worker.postMessage(minScore satisfies WorkerRequest)
    const answer = await answered
    if (answer.type !== 'detected') throw new UnavailableError(`unexpected answer: ${answer.type}`)
    return answer
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#over === undefined) this.#worker.postMessage(null satisfies WorkerRequest)
    const timer = setTimeout(() => void this.#worker.terminate(), END_DEADLINE)
    await this.ended
    clearTimeout(timer)
  }

  async #answer(deadline: number): Promise<WorkerAnswer> {
    if (this.#over !== undefined) throw new UnavailableError(this.#over)
    const pending = Promise.withResolvers<WorkerAnswer>()
    this.#pending = pending
    const late = () => pending.reject(new UnavailableError(`no answer within ${deadline / 1000} s`))
    const timer = setTimeout(late, deadline)
    try {
      return await pending.promise
    } finally {
      clearTimeout(timer)
      this.#pending = undefined
    }
  }

  #end(reason: string): void {
    this.#over ??= reason
    this.#pending?.reject(new UnavailableError(this.#over))
    this.#ended.resolve(this.#over)
  }
}
