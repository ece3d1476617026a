import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { OpusEncoder } from '#services/audio/encode/opus-encoder.ts'
import type { SoundPacket, VideoFrame } from '#services/recorder/ring/gop-ring.ts'
import { Encoder } from '#services/vision/encode/encoder.ts'
import { noisyFrame } from '#test/vision/frames.ts'

const execute = promisify(execFile)
export const FPS = 15
const BLOCK_SAMPLES = 960
const BLOCK_MS = 20

interface Options {
  count: number
  /** Frames between two keyframes. */
  gop?: number
  /** Of the first frame. */
  at?: number
  index?: number
  size?: { width: number; height: number }
}

/** So many frames as vision encodes them, 15 a second. */
export async function codedFrames({
  count,
  gop = 30,
  at = 0,
  index = 1,
  size = { width: 128, height: 96 },
}: Options): Promise<VideoFrame[]> {
  using encoder = await Encoder.open({ ...size, fps: FPS, bitrate: 200_000, matrix: 'bt601' })
  const frames: VideoFrame[] = []
  for (let i = 0; i < count; i++) {
    using pixels = noisyFrame(size, i)
    const keyframe = i % gop === 0
    const time = at + (i * 1_000) / FPS
    const data = await encoder.encode(pixels, { at: 1 + time, keyframe })
    frames.push({
      index: index + i,
      at: time,
      capturedAt: Date.UTC(2026, 10, 29) + time,
      keyframe,
      live: true,
      data,
    })
  }
  return frames
}

/** A tone, from this time on. */
export async function soundPackets(count: number, at: number): Promise<SoundPacket[]> {
  using encoder = await OpusEncoder.open({ bitrate: 32_000, dtx: false })
  return Array.from({ length: count }, (_, block) => {
    const samples = Int16Array.from({ length: BLOCK_SAMPLES }, (__, i) =>
      Math.round(8_000 * Math.sin(((block * BLOCK_SAMPLES + i) * 2 * Math.PI * 440) / 48_000)),
    )
    return { at: at + block * BLOCK_MS, data: encoder.encode(samples) ?? Buffer.alloc(0) }
  }).filter(({ data }) => data.length > 0)
}

/** A frame or packet as ffprobe reports it. */
export interface Probed {
  /** Seconds. */
  time: number
  keyframe: boolean
}

/** Every frame of a file, decoded; rejects when ffmpeg finds an error in it. */
export async function probe(path: string, stream: 'v' | 'a' = 'v'): Promise<Probed[]> {
  const args = [
    '-v',
    'error',
    '-select_streams',
    stream,
    '-show_entries',
    'frame=key_frame,pts_time',
    '-of',
    'json',
  ]
  const { stdout, stderr } = await execute('ffprobe', [...args, path], { maxBuffer: 64 * 1024 * 1024 })
  if (stderr.trim() !== '') throw new Error(stderr)
  const { frames } = JSON.parse(stdout) as { frames: { key_frame: number; pts_time: string }[] }
  return frames.map(({ key_frame, pts_time }) => ({ time: Number(pts_time), keyframe: key_frame === 1 }))
}

/** Seconds by the header of a file. */
export async function duration(path: string): Promise<number> {
  const args = ['-v', 'error', '-show_entries', 'format=duration', '-of', 'default=nk=1:nw=1', path]
  return Number((await execute('ffprobe', args)).stdout)
}
