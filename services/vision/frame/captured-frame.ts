import type { Frame } from 'node-av'

interface Pictures {
  /** What is encoded: 4:2:0, limited range, not larger than the video. */
  pixels: Frame
  /** The same as large as the camera gives it, in any format; left out where `pixels` is that. */
  full?: Frame | undefined
  /** The camera's own small picture of the same moment, 4:2:0, for the detector; left out where it has none. */
  small?: Frame | undefined
}

interface Taken {
  /** `performance.now()` when it was taken. */
  at: number
  /** Counts the pictures of this process. */
  index: number
  /** False for the placeholder, and for a picture that is shown again. */
  live: boolean
}

/** A picture of the camera (or of the placeholder) and when it was taken. Nobody writes into its pixels. */
export class CapturedFrame implements Disposable {
  readonly pixels: Frame
  readonly full: Frame | undefined
  readonly small: Frame | undefined
  readonly at: number
  readonly index: number
  readonly live: boolean

  constructor({ pixels, full, small }: Pictures, { at, index, live }: Taken) {
    this.pixels = pixels
    this.full = full
    this.small = small
    this.at = at
    this.index = index
    this.live = live
  }

  /** Another handle on the same pixels; each handle is disposed of by its owner. */
  share(): CapturedFrame {
    const { pixels, full, small } = this
    return new CapturedFrame(
      { pixels: again(pixels), full: full && again(full), small: small && again(small) },
      this,
    )
  }

  [Symbol.dispose](): void {
    this.pixels.free()
    this.full?.free()
    this.small?.free()
  }
}

function again(frame: Frame): Frame {
  const handle = frame.clone()
  if (!handle) throw new Error('out of memory for a picture')
  return handle
}
