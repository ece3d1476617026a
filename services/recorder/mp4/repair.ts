import { type FileHandle, open } from 'node:fs/promises'
import { type IndexEntry, patches, VIDEO_CLOCK_HZ, VIDEO_TRACK } from './init-segment.ts'

/** What a file says of itself. */
export interface RepairedMovie {
  width: number
  height: number
  hasAudio: boolean
  durationMs: number
  bytes: number
}

/** A header is small; a larger box of these types is not ours. */
const MAX_HEADER_BYTES = 4 * 1024 * 1024

interface Box {
  type: string
  at: number
  size: number
}

/**
 * Completes a file that was cut off: cuts off half a fragment at its end, and writes duration and index. Undefined when there is no
 * file, or no whole fragment in it; it is unchanged then.
 */
export async function repairMovie(path: string): Promise<RepairedMovie | undefined> {
  const file = await open(path, 'r+').catch((err: NodeJS.ErrnoException) => {
    if (err.code !== 'ENOENT') throw err
  })
  if (!file) return undefined
  try {
    return await repair(file)
  } finally {
    await file.close()
  }
}

async function repair(file: FileHandle): Promise<RepairedMovie | undefined> {
  const { size } = await file.stat()
  const boxes = await readBoxes(file, size)
  const moov = boxes.find(({ type }) => type === 'moov')
  const first = boxes.findIndex(({ type }) => type === 'moof')
  if (!moov || first < 0) return undefined
  const header = await read(file, moov.at, moov.size)
  const headerBytes = boxes[first]?.at ?? 0
  const entries: (IndexEntry & { at: number })[] = []
  let end = headerBytes
  for (let i = first; i + 1 < boxes.length; i += 2) {
    const [moof, mdat] = [boxes[i], boxes[i + 1]]
    if (moof?.type !== 'moof' || mdat?.type !== 'mdat') break
    entries.push({ ...videoRun(await read(file, moof.at, moof.size)), bytes: moof.size + mdat.size })
    end = mdat.at + mdat.size
  }
  const last = entries.at(-1)
  if (!last) return undefined
  // where a fragment is missing its time belongs to the one before it
  const timed = entries.map((entry, index) => ({
    ...entry,
    duration: (entries[index + 1]?.at ?? last.at + last.duration) - entry.at,
  }))
  await file.truncate(end)
  for (const { at, data } of patches(headerBytes, timed)) await file.write(data, 0, data.length, at)
  await file.datasync()
  const durationMs = Math.round(((last.at + last.duration - (entries[0]?.at ?? 0)) * 1_000) / VIDEO_CLOCK_HZ)
  return { ...trackSize(header), durationMs, bytes: end }
}

/** The boxes that are whole. */
async function readBoxes(file: FileHandle, size: number): Promise<Box[]> {
  const boxes: Box[] = []
  for (let at = 0; at + 8 <= size; ) {
    const header = await read(file, at, 8)
    const box = { type: header.toString('latin1', 4, 8), at, size: header.readUInt32BE() }
    if (box.size < 8 || at + box.size > size) break
    boxes.push(box)
    at += box.size
  }
  return boxes
}

async function read(file: FileHandle, at: number, length: number): Promise<Buffer> {
  if (length > MAX_HEADER_BYTES) throw new RangeError('not a movie of the recorder')
  const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, at)
  if (bytesRead < length) throw new RangeError('the file is shorter than its boxes')
  return buffer
}

/** The boxes inside one. */
function* children(bytes: Buffer): Generator<{ type: string; content: Buffer }> {
  for (let at = 8; at + 8 <= bytes.length; ) {
    const size = bytes.readUInt32BE(at)
    if (size < 8 || at + size > bytes.length) return
    yield { type: bytes.toString('latin1', at + 4, at + 8), content: bytes.subarray(at, at + size) }
    at += size
  }
}

function child(bytes: Buffer, type: string): Buffer {
  for (const one of children(bytes)) if (one.type === type) return one.content
  throw new RangeError(`no ${type} box`)
}

/** Time, duration and first sample of the video in a moof, as fragment.ts writes it. */
function videoRun(moof: Buffer): { at: number; duration: number; sync: boolean } {
  const track = [...children(moof)].find(
    ({ type, content }) => type === 'traf' && child(content, 'tfhd').readUInt32BE(12) === VIDEO_TRACK,
  )
  if (!track) throw new RangeError('a fragment without video')
  const run = child(track.content, 'trun')
  const count = run.readUInt32BE(12)
  let duration = 0
  for (let i = 0; i < count; i++) duration += run.readUInt32BE(20 + i * 12)
  return {
    at: Number(child(track.content, 'tfdt').readBigUInt64BE(12)),
    duration,
    sync: (run.readUInt32BE(20 + 8) & 0x10000) === 0,
  }
}

function trackSize(moov: Buffer): { width: number; height: number; hasAudio: boolean } {
  const tracks = [...children(moov)].filter(({ type }) => type === 'trak')
  const header = child(tracks[0]?.content ?? moov, 'tkhd')
  return {
    width: header.readUInt32BE(header.length - 8) / 0x10000,
    height: header.readUInt32BE(header.length - 4) / 0x10000,
    hasAudio: tracks.length > 1,
  }
}
