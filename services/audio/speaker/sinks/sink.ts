/** Where blocks of 20 ms (48 kHz, mono) are played. No call blocks. */
export interface Sink {
  /** Copies the block; false when it is discarded, because the device does not keep up. */
  write(block: Int16Array): boolean
  /** Plays what was written, and releases the device; within 2 s. */
  close(): Promise<void>
}

interface SinkEvents {
  /** The sink cannot play, or not any more; called at most once. It is closed by {@link Sink.close} as well. */
  onFailed(reason: string): void
}

export type OpenSink = (events: SinkEvents) => Sink
