import type { Frame } from 'node-av/lib'
import { UnframedBytes } from '#lib/media/unframed-bytes.ts'
import type { Size } from '../../image/fit.ts'

/** 4096×2304, the largest frame by default. */
export const DEFAULT_MAX_PIXELS = 4096 * 2304

/** Of an uncompressed frame with alpha; a compressed one is much smaller. */
const BYTES_PER_PIXEL = 4

/** Bounds what a camera sends without completing a frame of so many pixels. */
export function unframedVideo(maxPixels = DEFAULT_MAX_PIXELS): UnframedBytes {
  return new UnframedBytes(BYTES_PER_PIXEL * maxPixels)
}

/** What a source is asked for, and where its frames go. */
export interface CaptureOptions extends Size {
  fps: number
  /** Larger frames are an error before they are decoded. */
  maxPixels?: number | undefined
  /** Aborted when the source must end, also one that is stuck. */
  signal: AbortSignal
  /**
   * Takes ownership of a frame of any size and pixel format, and of the low-resolution frame of the same moment. Resolves
   * when it accepts the next one; a source that cannot wait drops frames.
   */
  emit(pixels: Frame, lores?: Frame): Promise<void> | void
  /** Video data has arrived: frames may still be missing, for example before the first keyframe. */
  onData?(): void
}

/**
 * Captures until the signal is aborted or the source has ended. Rejects with {@link UnavailableError} when the camera,
 * file or program fails. Settles only when the source has released all its resources.
 */
export type Capture = (options: CaptureOptions) => Promise<void>
