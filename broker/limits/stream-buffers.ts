import type { Duplex } from 'node:stream'

type States = Duplex & {
  _readableState: { highWaterMark: number }
  _writableState: { highWaterMark: number }
}

/**
 * Sets how many bytes a stream gathers in each direction before it asks to stop. Node sets both of a socket to the same
 * number and has no way to set them apart: what we send must never wait for a drain, but what a client sends us must,
 * or a thousand of them would fill the memory.
 */
export function setHighWaterMarks(stream: Duplex, { read, write }: { read: number; write: number }): void {
  const { _readableState, _writableState } = stream as States
  _readableState.highWaterMark = read
  _writableState.highWaterMark = write
}
