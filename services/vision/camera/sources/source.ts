import type { Frame } from 'node-av'
import type { Size } from '../../image/fit.ts'

/** What a source is asked for and given. */
export interface CaptureOptions extends Size {
  fps: number
  /** Aborted when the source should end; a source that is stuck is aborted, too. */
  signal: AbortSignal
  /**
   * Takes one picture over, of any size and format, and the camera's own small one of the same moment. Resolves when the next one may come; a source that cannot wait
   * does not, and loses pictures.
   */
  emit(pixels: Frame, small?: Frame): Promise<void> | void
}

/**
 * Captures until the signal is aborted or the source has ended. Rejects with {@link UnavailableError} when the camera,
 * file or program fails. Returns only when nothing of it is left running.
 */
export type Capture = (options: CaptureOptions) => Promise<void>
