import type { Frame } from 'node-av/lib'
import type { Size } from '../../image/fit.ts'
import { RawReader } from './raw-frames.ts'

/** Low-resolution frames that wait for their main frame, at most. */
const MAX_WAITING = 4

/** The low-resolution stream of a camera with two streams: its n-th frame belongs to the n-th main frame. */
export class LoresFrames implements Disposable {
  readonly #reader
  readonly #waiting: { index: number; pixels: Frame }[] = []
  #read = 0
  #taken = 0

  constructor(size: Size) {
    this.#reader = new RawReader(size, (pixels) => {
      this.#waiting.push({ index: this.#read++, pixels })
      if (this.#waiting.length > MAX_WAITING) this.#waiting.shift()?.pixels.free()
    })
  }

  /** Reads bytes of the low-resolution stream. */
  read(chunk: Buffer): void {
    void this.#reader.read(chunk) // its frames are queued synchronously
  }

  /** The frame that belongs to the next main frame; undefined if it is missing. The caller frees it. */
  next(): Frame | undefined {
    const index = this.#taken++
    while ((this.#waiting[0]?.index ?? index) < index) this.#waiting.shift()?.pixels.free()
    return this.#waiting[0]?.index === index ? this.#waiting.shift()?.pixels : undefined
  }

  [Symbol.dispose](): void {
    for (const { pixels } of this.#waiting.splice(0)) pixels.free()
    this.#reader[Symbol.dispose]()
  }
}
