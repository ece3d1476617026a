import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** Number of processes with this word in their command line. */
export function running(mark: string): number {
  const isIt = (pid: string) => {
    try {
      return readFileSync(join('/proc', pid, 'cmdline'), 'utf8').includes(mark)
    } catch {
      return false // it has ended
    }
  }
  return readdirSync('/proc').filter((pid) => /^\d+$/.test(pid) && isIt(pid)).length
}

const WRITE_FRAMES =
  'const frame = Buffer.alloc(320 * 240 * 1.5, 200); setInterval(() => process.stdout.write(frame), 66)'

/** `vision.source` of a program that writes bright frames, with a word in its command line. */
export function markedCamera(mark: string) {
  const command = [process.execPath, '-e', WRITE_FRAMES, mark]
  return { type: 'exec', command, format: 'yuv420p', width: 320, height: 240, fps: 15 }
}
