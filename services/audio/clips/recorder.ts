import { ContractError } from '#bus/contract-error.ts'
import { BLOCK_MS } from '../sound/format.ts'
import { AacEncoder } from './aac-encoder.ts'

/** More than what is asked for may take: the microphone is opened first. */
const OPEN_MS = 5_000
export const MAX_SECONDS = 10
export const DEFAULT_SECONDS = 5

const REFUSALS = {
  privacy: 'no recording: privacy is on',
  mode: 'the robot does not listen in this mode',
}

interface RecorderOptions {
  /** Why the microphone stays closed. */
  readonly deaf: 'privacy' | 'mode' | null
  /** Opens the microphone while the result is not disposed. */
  need(): Disposable
}

/** Records the microphone for an app that asks for a few seconds of it. */
export class Recorder {
  readonly #options: RecorderOptions
  #listener: ((block: Int16Array) => void) | undefined

  constructor(options: RecorderOptions) {
    this.#options = options
  }

  /** A block of the microphone. */
  add(block: Int16Array): void {
    this.#listener?.(block)
  }

  /** AAC of so many seconds. Rejects with the reason, for the app. */
  async record(seconds: number): Promise<{ data: Buffer; ms: number }> {
    if (this.#listener) throw new ContractError('a recording is running already')
    const { deaf } = this.#options
    if (deaf) throw new ContractError(REFUSALS[deaf])
    using _needed = this.#options.need()
    using encoder = new AacEncoder()
    const wanted = seconds * 1_000
    let ms = 0
    const { promise, resolve } = Promise.withResolvers<void>()
    const timer = setTimeout(resolve, wanted + OPEN_MS)
    this.#listener = (block) => {
      if (ms >= wanted) return
      encoder.add(block)
      ms += BLOCK_MS
      if (ms >= wanted) resolve()
    }
    await promise
    clearTimeout(timer)
    this.#listener = undefined
    if (this.#options.deaf === 'privacy') throw new ContractError(REFUSALS.privacy)
    if (ms === 0) throw new ContractError('the microphone delivers no sound')
    return { data: encoder.finish(), ms }
  }
}
