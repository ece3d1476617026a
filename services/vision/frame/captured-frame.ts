import type { Frame } from 'node-av/lib'

interface Images {
  /** Encoder input: 4:2:0, limited range, at most the configured video size. */
  pixels: Frame
  /** The same at the camera's size, in any pixel format; absent where `pixels` has that size. */
  full?: Frame | undefined
  /** The camera's low-resolution stream at the same moment, 4:2:0, for the detector; absent where there is none. */
  lores?: Frame | undefined
}

interface Capture {
  /** `performance.now()` at the capture. */
  at: number
  /** Frame number in this process. */
  index: number
  /** False for the placeholder and for a repeated frame. */
  live: boolean
}

/** A frame of the camera or of the placeholder, with its capture time. Its pixels are read-only. */
export class CapturedFrame implements Disposable {
  readonly pixels: Frame
  readonly full: Frame | undefined
  readonly lores: Frame | undefined
  readonly at: number
  readonly index: number
  readonly live: boolean

  constructor({ pixels, full, lores }: Images, { at, index, live }: Capture) {
    this.pixels = pixels
    this.full = full
    this.lores = lores
    this.at = at
    this.index = index
    this.live = live
  }

  /** A further reference to the same pixels; its owner disposes of it. */
  share(): CapturedFrame {
    const { pixels, full, lores } = this
    return new CapturedFrame(
      { pixels: reference(pixels), full: full && reference(full), lores: lores && reference(lores) },
      this,
    )
  }

  [Symbol.dispose](): void {
    this.pixels.free()
    this.full?.free()
    this.lores?.free()
  }
}

function reference(frame: Frame): Frame {
  const copy = frame.clone()
  if (!copy) throw new Error('out of memory: cannot reference a frame')
  return copy
}
