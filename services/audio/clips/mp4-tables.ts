import { ContractError } from '#bus/contract-error.ts'

/** Boxes that hold others. ISO/IEC 14496-12 §8. */
const CONTAINERS = new Set(['moov', 'trak', 'mdia', 'minf', 'stbl', 'moof', 'traf', 'mvex', 'edts'])
const MAX_DEPTH = 8
const HEADER_BYTES = 8
const LARGE_HEADER_BYTES = 16
const MAX_BOXES = 1_000
/** Of a clip of 10 s: 470 frames of AAC. */
const MAX_ENTRIES = 20_000

/**
 * Throws when a table of an MP4 file claims more entries than a clip has: FFmpeg allocates an index for all of them, and a box
 * of 20 bytes may claim four thousand million samples of the same size. Other files pass.
 */
export function checkTables(bytes: Buffer): void {
  if (!isMp4(bytes)) return
  const budget = { boxes: MAX_BOXES }
  checkBoxes(bytes, budget, 0)
}

/** Begins with a file type box. ISO/IEC 14496-12 §4.3. */
export function isMp4(bytes: Buffer): boolean {
  return bytes.toString('latin1', 4, 8) === 'ftyp'
}

function checkBoxes(bytes: Buffer, budget: { boxes: number }, depth: number): void {
  for (let at = 0; at + HEADER_BYTES <= bytes.length; ) {
    if (budget.boxes-- <= 0 || depth > MAX_DEPTH) throw new ContractError('the clip has too many boxes')
    const { type, header, length } = boxAt(bytes, at)
    if (length < header) throw new ContractError('the clip has a box without a size')
    const content = bytes.subarray(at + header, at + length)
    // QuickTime's compressed tables would be read unseen
    if (type === 'cmov') throw new ContractError('the clip has compressed tables')
    if (CONTAINERS.has(type)) checkBoxes(content, budget, depth + 1)
    else if (entriesOf(type, content) > MAX_ENTRIES) {
      throw new ContractError('the clip claims more samples than 10 s have')
    }
    at += length
  }
}

/** The header of a box: 8 bytes, or 16 with a size of 64 bits; a size of 0 means the rest of the file. */
function boxAt(bytes: Buffer, at: number): { type: string; header: number; length: number } {
  const size = bytes.readUInt32BE(at)
  const type = bytes.toString('latin1', at + 4, at + 8)
  if (size === 0) return { type, header: HEADER_BYTES, length: bytes.length - at }
  if (size !== 1 || at + LARGE_HEADER_BYTES > bytes.length)
    return { type, header: HEADER_BYTES, length: size }
  return { type, header: LARGE_HEADER_BYTES, length: Number(bytes.readBigUInt64BE(at + HEADER_BYTES)) }
}

/** Samples that a table stands for; 0 for another box. */
function entriesOf(type: string, content: Buffer): number {
  const word = (at: number) => (at + 4 <= content.length ? content.readUInt32BE(at) : 0)
  if (type === 'stsz' || type === 'stz2') return word(8)
  if (type === 'trun') return word(4)
  if (!['stts', 'ctts', 'stsc', 'stco', 'co64', 'stss', 'elst', 'sbgp', 'sgpd'].includes(type)) return 0
  const entries = word(4)
  if (type !== 'stts' && type !== 'ctts') return entries
  let samples = entries
  // an entry stands for many samples of the same duration
  for (let i = 0; i < Math.min(entries, MAX_ENTRIES); i++) samples += word(8 + i * 8)
  return samples
}
