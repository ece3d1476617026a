import type { Frame } from 'node-av'

/** A picture of the camera (or of the placeholder) and when it was taken. Nobody writes into its pixels. */
export class CapturedFrame implements Disposable {
  readonly pixels: Frame
  /** `performance.now()` when it was taken. */
  readonly at: number
  /** Counts the pictures of this process. */
  readonly index: number
  /** False for the placeholder. */
  readonly live: boolean

  constructor(pixels: Frame, { at, index, live }: { at: number; index: number; live: boolean }) {
    this.pixels = pixels
    this.at = at
    this.index = index
    this.live = live
  }

  /** Another handle on the same pixels; each handle is disposed of by its owner. */
  share(): CapturedFrame {
    const pixels = this.pixels.clone()
    if (!pixels) throw new Error('out of memory for a picture')
    return new CapturedFrame(pixels, this)
  }

  [Symbol.dispose](): void {
    this.pixels.free()
  }
}
