import { box, fullBox, u8, u16, u32, u64, zeros } from './boxes.ts'
import type { ParameterSets } from './h264.ts'

export const VIDEO_TRACK = 1
export const SOUND_TRACK = 2
/** Units a second of the tracks, and of the movie. */
export const VIDEO_CLOCK_HZ = 90_000
export const SOUND_CLOCK_HZ = 48_000
const MOVIE_CLOCK_HZ = 1_000

/** Bytes that stay free after the header, until a finished file gets its index there. */
const INDEX_BYTES = 4_096
const SIDX_HEADER_BYTES = 32
const SIDX_ENTRY_BYTES = 12
/** A box that fills what the index leaves free needs 8 bytes itself. */
const MAX_ENTRIES = Math.floor((INDEX_BYTES - 8 - SIDX_HEADER_BYTES) / SIDX_ENTRY_BYTES)
/** Of mehd, version 1. */
const DURATION_BYTES = 20

/** Seconds between the epochs of MP4 (1904) and of Unix. */
const MP4_EPOCH_S = 2_082_844_800
const MATRIX = u32(0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
const UNDETERMINED_LANGUAGE = 0x55c4
const DPI_72 = 0x480000
/** libopus' lookahead of 312 samples, which players discard. */
const OPUS_PRE_SKIP = 312

export interface Movie extends ParameterSets {
  width: number
  height: number
  hasSound: boolean
  /** ms since the epoch. */
  startedAt: number
}

/** A fragment as the index lists it. */
export interface IndexEntry {
  bytes: number
  /** In units of the video track. */
  duration: number
  /** It begins with a keyframe. */
  sync: boolean
}

/** ftyp and moov, then room for an index. The file has no duration until {@link patches} are written into it. */
export function initSegment(movie: Movie): Buffer {
  const tracks = [videoTrack(movie), ...(movie.hasSound ? [soundTrack(movie)] : [])]
  const extended = box(
    'mvex',
    ...tracks.map((_, index) => trex(index + 1)),
    box('free', zeros(DURATION_BYTES - 8)),
  )
  return Buffer.concat([
    box('ftyp', Buffer.from('iso5'), u32(512), Buffer.from('iso5iso6mp41avc1')),
    box('moov', mvhd(movie), ...tracks, extended),
    box('free', zeros(INDEX_BYTES - 8)),
  ])
}

/** What a finished file gets: its duration in the header, and an index, with which players seek at once. `headerBytes` is the length of the {@link initSegment}. */
export function patches(
  headerBytes: number,
  fragments: readonly IndexEntry[],
): { at: number; data: Buffer }[] {
  const duration = fragments.reduce((sum, entry) => sum + entry.duration, 0)
  const movieDuration = Math.round((duration * MOVIE_CLOCK_HZ) / VIDEO_CLOCK_HZ)
  const moovEnd = headerBytes - INDEX_BYTES
  return [
    { at: moovEnd - DURATION_BYTES, data: fullBox('mehd', { version: 1 }, u64(movieDuration)) },
    { at: moovEnd, data: index(grouped(fragments)) },
  ]
}

/** ISO/IEC 14496-12 §8.16.3, and a free box behind it. */
function index(entries: readonly IndexEntry[]): Buffer {
  const bytes = SIDX_HEADER_BYTES + entries.length * SIDX_ENTRY_BYTES
  const header = [u32(VIDEO_TRACK, VIDEO_CLOCK_HZ, 0, INDEX_BYTES - bytes), u16(0, entries.length)]
  const references = entries.map(({ bytes: size, duration, sync }) =>
    u32(size, duration, sync ? 0x90000000 : 0),
  )
  return Buffer.concat([
    fullBox('sidx', {}, ...header, ...references),
    box('free', zeros(INDEX_BYTES - bytes - 8)),
  ])
}

/** As many entries as fit: neighbors become one. */
function grouped(fragments: readonly IndexEntry[]): IndexEntry[] {
  const each = Math.ceil(fragments.length / MAX_ENTRIES)
  const entries: IndexEntry[] = []
  for (let at = 0; at < fragments.length; at += each) {
    const group = fragments.slice(at, at + each)
    const sum = (key: 'bytes' | 'duration') => group.reduce((total, entry) => total + entry[key], 0)
    entries.push({ bytes: sum('bytes'), duration: sum('duration'), sync: group[0]?.sync ?? false })
  }
  return entries
}

const created = ({ startedAt }: Movie) => Math.max(0, Math.floor(startedAt / 1_000) + MP4_EPOCH_S) % 2 ** 32

function mvhd(movie: Movie): Buffer {
  const time = created(movie)
  const [rate, volume] = [u32(0x10000), u16(0x100)]
  return fullBox(
    'mvhd',
    {},
    u32(time, time, MOVIE_CLOCK_HZ, 0),
    ...[rate, volume, zeros(10), MATRIX, zeros(24)],
    u32(SOUND_TRACK + 1),
  )
}

function trex(track: number): Buffer {
  return fullBox('trex', {}, u32(track, 1, 0, 0, 0))
}

interface TrackSpec {
  id: number
  clock: number
  /** Handler type and media header. */
  handler: 'vide' | 'soun'
  name: string
  mediaHeader: Buffer
  sample: Buffer
  width: number
  height: number
  volume: number
}

function videoTrack(movie: Movie): Buffer {
  const { width, height } = movie
  const mediaHeader = fullBox('vmhd', { flags: 1 }, zeros(8))
  const sample = avc1(movie)
  return track(movie, {
    ...{ id: VIDEO_TRACK, clock: VIDEO_CLOCK_HZ, handler: 'vide', name: 'video', mediaHeader, sample },
    ...{ width, height, volume: 0 },
  })
}

function soundTrack(movie: Movie): Buffer {
  const mediaHeader = fullBox('smhd', {}, zeros(4))
  return track(movie, {
    ...{
      id: SOUND_TRACK,
      clock: SOUND_CLOCK_HZ,
      handler: 'soun',
      name: 'sound',
      mediaHeader,
      sample: opus(),
    },
    ...{ width: 0, height: 0, volume: 0x100 },
  })
}

const ENABLED_IN_MOVIE = 3

function track(
  movie: Movie,
  { id, clock, handler, name, mediaHeader, sample, width, height, volume }: TrackSpec,
) {
  const time = created(movie)
  const header = fullBox(
    'tkhd',
    { flags: ENABLED_IN_MOVIE },
    ...[u32(time, time, id, 0, 0), zeros(8), u16(0, 0, volume, 0), MATRIX],
    u32(width * 0x10000, height * 0x10000),
  )
  const samples = box(
    'stbl',
    fullBox('stsd', {}, u32(1), sample),
    ...['stts', 'stsc', 'stco'].map((type) => fullBox(type, {}, u32(0))),
    fullBox('stsz', {}, u32(0, 0)),
  )
  const references = box('dinf', fullBox('dref', {}, u32(1), fullBox('url ', { flags: 1 })))
  return box(
    'trak',
    header,
    box(
      'mdia',
      fullBox('mdhd', {}, u32(time, time, clock, 0), u16(UNDETERMINED_LANGUAGE, 0)),
      fullBox('hdlr', {}, u32(0), Buffer.from(handler), zeros(12), Buffer.from(`${name}\0`)),
      box('minf', mediaHeader, references, samples),
    ),
  )
}

/** ISO/IEC 14496-15 §5.4.2. */
function avc1({ sps, pps, width, height }: Movie): Buffer {
  const configuration = box(
    'avcC',
    u8(1, sps[1] ?? 0, sps[2] ?? 0, sps[3] ?? 0, 0xff, 0xe1),
    ...[u16(sps.length), sps, u8(1), u16(pps.length), pps],
  )
  return box(
    'avc1',
    ...[zeros(6), u16(1), zeros(16), u16(width, height), u32(DPI_72, DPI_72, 0), u16(1), zeros(32)],
    u16(24, 0xffff),
    configuration,
  )
}

/** Opus in ISOBMFF, §4.3. */
function opus(): Buffer {
  const configuration = box('dOps', u8(0, 1), u16(OPUS_PRE_SKIP), u32(SOUND_CLOCK_HZ), u16(0), u8(0))
  return box(
    'Opus',
    ...[zeros(6), u16(1), zeros(8), u16(1, 16), zeros(4), u32(SOUND_CLOCK_HZ * 0x10000)],
    configuration,
  )
}
