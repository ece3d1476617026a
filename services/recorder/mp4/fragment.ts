import { box, fullBox, u32, u64 } from './boxes.ts'
import { SOUND_TRACK, VIDEO_TRACK } from './init-segment.ts'

/** A frame, in units of the video track. */
export interface VideoSample {
  data: Buffer
  duration: number
  sync: boolean
}

/** A run of samples of one track; `at`: decode time of the first, in units of the track. */
export interface Run<S> {
  at: number
  samples: readonly S[]
}

/** Samples of an Opus packet of 20 ms. */
export const SOUND_SAMPLES = 960

const DEFAULT_BASE_IS_MOOF = 0x20000
const DEFAULT_DURATION = 0x8
const DEFAULT_FLAGS = 0x20
const DATA_OFFSET = 0x1
const SAMPLE_DURATION = 0x100
const SAMPLE_SIZE = 0x200
const SAMPLE_FLAGS = 0x400
/** sample_depends_on and sample_is_non_sync_sample. ISO/IEC 14496-12 §8.8.3.1. */
const KEYFRAME = 0x2000000
const PREDICTED = 0x1010000

/** A movie fragment: moof and mdat. ISO/IEC 14496-12 §8.8.4. */
export function fragment(sequence: number, video: Run<VideoSample>, sound: Run<Buffer>): Buffer {
  const videoBytes = video.samples.reduce((sum, { data }) => sum + data.length, 0)
  // the offsets have a fixed length, so the size is known after a first pass
  const { length } = moof(sequence, video, sound, { video: 0, sound: 0 })
  const start = length + 8
  const header = moof(sequence, video, sound, { video: start, sound: start + videoBytes })
  return Buffer.concat([header, box('mdat', ...video.samples.map(({ data }) => data), ...sound.samples)])
}

function moof(
  sequence: number,
  video: Run<VideoSample>,
  sound: Run<Buffer>,
  offsets: { video: number; sound: number },
): Buffer {
  const hasSound = sound.samples.length > 0
  return box(
    'moof',
    fullBox('mfhd', {}, u32(sequence)),
    videoRun(video, offsets.video),
    ...(hasSound ? [soundRun(sound, offsets.sound)] : []),
  )
}

function videoRun({ at, samples }: Run<VideoSample>, offset: number): Buffer {
  const rows = samples.map(({ data, duration, sync }) =>
    u32(duration, data.length, sync ? KEYFRAME : PREDICTED),
  )
  const flags = DATA_OFFSET | SAMPLE_DURATION | SAMPLE_SIZE | SAMPLE_FLAGS
  return box(
    'traf',
    fullBox('tfhd', { flags: DEFAULT_BASE_IS_MOOF }, u32(VIDEO_TRACK)),
    fullBox('tfdt', { version: 1 }, u64(at)),
    fullBox('trun', { flags }, u32(samples.length, offset), ...rows),
  )
}

function soundRun({ at, samples }: Run<Buffer>, offset: number): Buffer {
  const flags = DEFAULT_BASE_IS_MOOF | DEFAULT_DURATION | DEFAULT_FLAGS
  return box(
    'traf',
    fullBox('tfhd', { flags }, u32(SOUND_TRACK, SOUND_SAMPLES, KEYFRAME)),
    fullBox('tfdt', { version: 1 }, u64(at)),
    fullBox(
      'trun',
      { flags: DATA_OFFSET | SAMPLE_SIZE },
      u32(samples.length, offset, ...samples.map(({ length }) => length)),
    ),
  )
}
