import type { Frame } from 'node-av'
import type { Size } from '../../image/fit.ts'
import { createRawReader } from './raw-frames.ts'

/** Small pictures that wait for their large ones, at most. */
const MOST = 4

/** The small pictures of a camera that gives two streams: the n-th belongs to the n-th large one. */
export class SmallPictures implements Disposable {
  readonly #reader
  readonly #waiting: { index: number; pixels: Frame }[] = []
  #read = 0
  #taken = 0

  constructor(size: Size) {
    this.#reader = createRawReader(size, (pixels) => {
      this.#waiting.push({ index: this.#read++, pixels })
      if (this.#waiting.length > MOST) this.#waiting.shift()?.pixels.free()
    })
  }

  /** Bytes of the small stream. */
  read(chunk: Buffer): void {
    void this.#reader.read(chunk) // its pictures are taken at once
  }

  /** The small picture of the next large one; undefined if it is not there. The caller frees it. */
  next(): Frame | undefined {
    const index = this.#taken++
    while ((this.#waiting[0]?.index ?? index) < index) this.#waiting.shift()?.pixels.free()
    return this.#waiting[0]?.index === index ? this.#waiting.shift()?.pixels : undefined
  }

  [Symbol.dispose](): void {
    for (const { pixels } of this.#waiting.splice(0)) pixels.free()
  }
}
