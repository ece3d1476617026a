/** Where the sound of a source goes. */
export interface CaptureOptions {
  /** Aborted when the source must end, also one that is stuck. */
  signal: AbortSignal
  /** Accepts samples (48 kHz, mono), valid until it returns; `at`: capture time of the first, as `performance.now()`. */
  emit(samples: Int16Array, at: number): void
}

/**
 * Captures until the signal is aborted or the source has ended. Rejects with {@link UnavailableError} when the device, file
 * or program fails. Settles only when the source has released all its resources.
 */
export type Capture = (options: CaptureOptions) => Promise<void>
