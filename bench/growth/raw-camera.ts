/** A camera program that costs next to nothing, and FFmpeg as the encoder to compare with. */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'

const CLIP = 'demo/clip.mp4'
/** 1080p at 30/s takes 93 MB a second. */
const CLIP_SECONDS = 4

export interface RawVideo {
  width: number
  height: number
  fps: number
}

/** Writes a part of the demo clip as raw yuv420p of this size and rate; returns its path. */
export async function writeRawClip(
  folder: string,
  { width, height, fps }: RawVideo,
  seconds = CLIP_SECONDS,
): Promise<string> {
  const raw = join(folder, `${width}x${height}-${fps}.yuv`)
  const filters = ['-vf', `scale=${width}:${height},fps=${fps}`, '-pix_fmt', 'yuv420p']
  const args = ['-v', 'error', '-i', CLIP, '-t', String(seconds), ...filters, '-f', 'rawvideo', raw]
  await promisify(execFile)('ffmpeg', args)
  return raw
}

/** `vision.source` that repeats the raw clip at its own rate, without end. */
export function rawSource(raw: string, video: RawVideo) {
  return { type: 'exec', command: camera(raw, video), format: 'yuv420p', ...video }
}

function camera(raw: string, { width, height, fps }: RawVideo): string[] {
  const input = `-f rawvideo -pix_fmt yuv420p -s ${width}x${height} -r ${fps} -i ${raw}`
  return ['sh', '-c', `exec ffmpeg -v error -re -stream_loop -1 ${input} -c copy -f rawvideo -`]
}

/**
 * FFmpeg with the settings of `services/vision/encode/encoder.ts`, behind a camera of its own: the encoder first, then the camera.
 * End both with SIGKILL.
 */
export function startFfmpeg(
  raw: string,
  video: RawVideo,
  encoded: { width: number; height: number; bitrate: number },
): ChildProcess[] {
  const { width, height, fps } = video
  const [program = '', ...args] = camera(raw, video)
  const source = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const input = [
    '-f',
    'rawvideo',
    '-pix_fmt',
    'yuv420p',
    '-s',
    `${width}x${height}`,
    '-r',
    `${fps}`,
    '-i',
    'pipe:0',
  ]
  const isScaled = encoded.width !== width || encoded.height !== height
  const scaling = isScaled ? ['-vf', `scale=${encoded.width}:${encoded.height}:flags=bilinear`] : []
  const x264 = ['-preset', 'superfast', '-tune', 'zerolatency', '-profile:v', 'baseline', '-g', `${fps * 10}`]
  const kbits = Math.round(encoded.bitrate / 1000)
  const rate = [
    '-b:v',
    `${kbits}k`,
    '-maxrate',
    `${kbits}k`,
    '-bufsize',
    `${Math.round(kbits * 0.4)}k`,
    '-threads',
    '2',
  ]
  const output = ['-x264-params', 'repeat-headers=1:scenecut=0', '-f', 'h264', '-']
  const encoder = spawn(
    'ffmpeg',
    ['-v', 'error', ...input, ...scaling, '-c:v', 'libx264', ...x264, ...rate, ...output],
    { stdio: [source.stdout as never, 'pipe', 'inherit'] },
  )
  encoder.stdout?.resume()
  return [encoder, source]
}
