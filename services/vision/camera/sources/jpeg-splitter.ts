import { UnavailableError } from '#lib/unavailable-error.ts'

/** Larger files are not JPEGs of a camera. */
const MAX_BYTES = 8 * 1024 * 1024

const SOI = 0xd8
const EOI = 0xd9
const SOS = 0xda

/**
 * Cuts a byte stream of JPEG files into files at their EOI marker. FFmpeg's parser emits a frame only when the next one
 * begins, which costs a frame of latency. ITU-T T.81 B.1.
 */
export class JpegSplitter {
  #bytes = Buffer.alloc(0)
  /** Scan position; bytes before it belong to the file. */
  #at = 0
  #inScan = false

  /** The files that these bytes complete. Throws {@link UnavailableError} for data that is not MJPEG. */
  push(chunk: Buffer): Buffer[] {
    this.#bytes = Buffer.concat([this.#bytes, chunk])
    const files: Buffer[] = []
    for (let end = this.#findEnd(); end >= 0; end = this.#findEnd()) {
      files.push(this.#bytes.subarray(0, end))
      this.#restart(end)
    }
    if (this.#bytes.length > MAX_BYTES) throw new UnavailableError('the output is not MJPEG')
    return files
  }

  #restart(from: number): void {
    this.#bytes = this.#bytes.subarray(from)
    this.#at = 0
    this.#inScan = false
  }

  /** Index after the EOI, or -1 when it has not arrived yet. */
  #findEnd(): number {
    if (this.#at === 0 && !this.#findStart()) return -1
    for (let next = this.#nextMarker(); next >= 0; next = this.#nextMarker()) {
      const marker = this.#bytes[next + 1] ?? 0
      if (marker === EOI) return next + 2
      const step = this.#stepOver(next, marker)
      if (step === undefined) return -1
      this.#at = next + step
    }
    return -1
  }

  /** Index of the next 0xff with a byte after it, or -1. Entropy-coded bytes before it are not scanned again. */
  #nextMarker(): number {
    const next = this.#bytes.indexOf(0xff, this.#at)
    if (this.#inScan) this.#at = next < 0 ? this.#bytes.length : next
    return next + 1 < this.#bytes.length ? next : -1
  }

  /** Discards bytes before the first SOI. */
  #findStart(): boolean {
    const start = this.#bytes.indexOf(Buffer.from([0xff, SOI]))
    if (start < 0) {
      this.#bytes = this.#bytes.subarray(Math.max(0, this.#bytes.length - 1))
      return false
    }
    this.#bytes = this.#bytes.subarray(start)
    this.#at = 2
    return true
  }

  /** Length of the marker at `index` with its segment; undefined while incomplete. */
  #stepOver(index: number, marker: number): number | undefined {
    // stuffed zeros, fill bytes and restart markers have no segment
    if (marker === 0xff) return 1
    if (marker === 0 || (marker >= 0xd0 && marker <= SOI)) return 2
    if (index + 4 > this.#bytes.length) return undefined
    const length = 2 + this.#bytes.readUInt16BE(index + 2)
    if (index + length > this.#bytes.length) return undefined
    this.#inScan = marker === SOS
    return length
  }
}
