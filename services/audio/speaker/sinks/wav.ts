import { type FileHandle, open } from 'node:fs/promises'
import { SAMPLE_RATE } from '../../sound/format.ts'
import type { OpenSink } from './sink.ts'

const HEADER_BYTES = 44
/** 10 minutes: what follows is not written. */
const MAX_BYTES = 600 * SAMPLE_RATE * 2
/** Blocks that wait for the disk. */
const MAX_WAITING = 50

/** A WAV file, for tests: the sound of all talks and clips since the start, without the pauses between them. */
export function openWav(path: string): OpenSink {
  let bytes = 0
  return ({ onFailed }) => {
    let waiting = 0
    let failed = false
    const fail = (err: Error) => {
      if (!failed) onFailed(`cannot write: ${err.message}`)
      failed = true
    }
    const opened = open(path, bytes === 0 ? 'w' : 'r+')
    let last: Promise<unknown> = opened.catch(fail)
    const queue = (write: (file: FileHandle) => Promise<unknown>) => {
      waiting++
      last = last
        .then(async () => failed || (await write(await opened)))
        .catch(fail)
        .finally(() => waiting--)
      return last
    }
    return {
      write(block) {
        if (failed || waiting > MAX_WAITING || bytes + block.byteLength > MAX_BYTES) return false
        const copy = Buffer.from(new Uint8Array(block.buffer, block.byteOffset, block.byteLength))
        const at = HEADER_BYTES + bytes
        bytes += copy.length
        void queue((file) => file.write(copy, 0, copy.length, at))
        return true
      },
      async close() {
        await queue((file) => file.write(wavHeader(bytes), 0, HEADER_BYTES, 0))
        await opened.then(
          (file) => file.close(),
          () => {}, // reported above
        )
      },
    }
  }
}

/** Of so many bytes: PCM, 16 bits, mono, 48 kHz. */
function wavHeader(bytes: number): Buffer {
  const header = Buffer.alloc(HEADER_BYTES)
  header.write('RIFF', 0)
  header.writeUInt32LE(36 + bytes, 4)
  header.write('WAVEfmt ', 8)
  header.writeUInt32LE(16, 16)
  header.writeUInt16LE(1, 20)
  header.writeUInt16LE(1, 22)
  header.writeUInt32LE(SAMPLE_RATE, 24)
  header.writeUInt32LE(SAMPLE_RATE * 2, 28)
  header.writeUInt16LE(2, 32)
  header.writeUInt16LE(16, 34)
  header.write('data', 36)
  header.writeUInt32LE(bytes, 40)
  return header
}
