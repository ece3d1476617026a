import { spawn } from 'node:child_process'
import { buffer } from 'node:stream/consumers'

const BITS = 32
/** Squares of the barcode in frames of 1280x720, and where they are; smaller frames have smaller ones. */
const BLOCK = 32
const TOP = 8
const FULL_WIDTH = 1280
const MIDDLE = 128
const CYCLE = 2 ** 31

/** The times that the synthetic camera has painted into the frames of a file, ms since the epoch: what every frame shows, in order. */
export async function paintedTimes(
  { path, width }: { path: string; width: number },
  near = Date.now(),
): Promise<number[]> {
  const [block, top] = [BLOCK, TOP].map((pixels) => (pixels * width) / FULL_WIDTH)
  const filter = `crop=${BITS}*${block}:${block}:0:${top},scale=${BITS}:1:flags=area,format=gray`
  const args = ['-v', 'fatal', '-i', path, '-vf', filter, '-fps_mode', 'passthrough', '-f', 'rawvideo', '-']
  const ffmpeg = spawn('ffmpeg', args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const pixels = await buffer(ffmpeg.stdout)
  const times: number[] = []
  for (let at = 0; at + BITS <= pixels.length; at += BITS) {
    let low = 0
    for (let bit = 0; bit < BITS - 1; bit++) if ((pixels[at + bit] ?? 0) > MIDDLE) low += 2 ** bit
    times.push(Math.round((near - low) / CYCLE) * CYCLE + low)
  }
  return times
}
