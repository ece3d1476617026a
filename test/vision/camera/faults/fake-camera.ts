import { readFileSync } from 'node:fs'

/**
 * A camera program for tests: `fake-camera.ts CONTROL`. The file CONTROL says `{"state": "run" | "stall" | "die",
 * "bytes": file to write again and again, "small": file for descriptor 3}`, and is read before each picture.
 */
const [, , control = ''] = process.argv
const EVERY = 40

interface Control {
  state: 'run' | 'stall' | 'die'
  bytes: string
  small?: string
}

const pieces: Buffer[] = []
let loaded = ''

function step(): void {
  const { state, bytes }: Control = JSON.parse(readFileSync(control, 'utf8'))
  if (state === 'die') {
    process.stderr.write('the cable is gone\n')
    process.exit(3)
  }
  if (state === 'stall') return
  if (loaded !== bytes) {
    loaded = bytes
    pieces.splice(
      0,
      pieces.length,
      ...JSON.parse(readFileSync(bytes, 'utf8')).map((piece: string) => Buffer.from(piece, 'base64')),
    )
  }
  const next = pieces.shift()
  if (!next) return
  pieces.push(next)
  process.stdout.write(next)
}

setInterval(step, EVERY)
