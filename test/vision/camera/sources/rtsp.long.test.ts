import assert from 'node:assert/strict'
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { type TestContext, test } from 'node:test'
import type { Frame } from 'node-av/lib'
import { captureFrom } from '#services/vision/camera/sources/open.ts'
import { VisionSection } from '#services/vision/config.ts'
import { planesOf } from '#services/vision/image/pixels.ts'
import { withoutGstreamer } from '#test/helpers/tools.ts'
import { SIZE } from '../faults/breakable-source.ts'
import { rtspSource } from '../faults/rtsp-source.ts'

const SECOND = 1_000

interface Shown {
  at: number
  damaged: number
}

/** Fraction of the bars' pixels that differ from the pixel in the first row: the color bars of the server are vertical. */
function damagedPart(pixels: Frame): number {
  const { width, height, y, strideY } = planesOf(pixels)
  const rows = Math.floor(height * 0.6)
  let damaged = 0
  for (let row = 1; row < rows; row++) {
    for (let x = 0; x < width; x++) {
      if (Math.abs((y[row * strideY + x] ?? 0) - (y[x] ?? 0)) > 40) damaged++
    }
  }
  return damaged / (width * rows)
}

/** Frames of GStreamer's server, started with these options; rejects as the source does. */
async function capture(
  t: TestContext,
  server: readonly string[],
  { transport, frames = 10, onFrame }: { transport?: string; frames?: number; onFrame?: () => void },
): Promise<Shown[]> {
  const { source: served } = await rtspSource(t, server)
  const { source } = VisionSection.parse({
    source: { ...served, ...(transport && { rtsp_transport: transport }) },
  })
  const ending = new AbortController()
  const shown: Shown[] = []
  await captureFrom(source)({
    ...SIZE,
    fps: 25,
    signal: AbortSignal.any([t.signal, ending.signal]),
    emit(pixels) {
      shown.push({ at: performance.now(), damaged: damagedPart(pixels) })
      pixels.free()
      onFrame?.()
      if (shown.length === frames) ending.abort()
    },
  })
  return shown
}

const skip = { skip: withoutGstreamer(), timeout: 60 * SECOND }

for (const [accepted, transport, plays] of [
  ['TCP', undefined, true],
  ['TCP', 'tcp', true],
  ['TCP', 'udp', false],
  ['TCP', 'auto', true],
  ['UDP', undefined, false],
  ['UDP', 'tcp', false],
  ['UDP', 'udp', true],
  ['UDP', 'auto', true],
] as const) {
  const outcome = plays ? 'plays' : 'is an error'
  test(
    `a camera that accepts ${accepted} only, with rtsp_transport ${transport}, ${outcome}`,
    skip,
    async (t) => {
      const playing = capture(t, ['--transport', accepted], transport ? { transport } : {})
      if (plays) assert.equal((await playing).length, 10)
      else await assert.rejects(playing, /cannot open/)
    },
  )
}

/** Local and remote addresses of the UDP sockets of this process, as /proc/net/udp has them: proc(5). */
function udpSockets(): string[] {
  const own = readdirSync('/proc/self/fd').map((name) => {
    try {
      return readlinkSync(`/proc/self/fd/${name}`)
    } catch {
      return '' // closed since
    }
  })
  const sockets = readFileSync('/proc/self/net/udp', 'utf8').trim().split('\n').slice(1)
  return sockets
    .map((line) => line.trim().split(/\s+/))
    .filter((fields) => own.includes(`socket:[${fields[9]}]`))
    .map((fields) => `${fields[1]} ${fields[2]}`)
}

test(
  'over UDP, RTP is accepted from the ports of the camera alone, and FFmpeg has no socket on the network',
  skip,
  async (t) => {
    let sockets: string[] = []
    const onFrame = () => {
      sockets = udpSockets()
    }
    await capture(t, ['--transport', 'UDP'], { transport: 'udp', frames: 3, onFrame })
    assert.ok(sockets.length >= 2, `${sockets}`)
    for (const socket of sockets) assert.match(socket, /^0100007F:\w+ 0100007F:(?!0000)/)
  },
)

for (const codec of ['h264', 'h265']) {
  test(
    `${codec} over UDP with lost packets plays on, and what they damaged is not shown`,
    skip,
    async (t) => {
      const options = ['--codec', codec, '--transport', 'UDP', '--loss', '0.004']
      const shown = await capture(t, options, { transport: 'udp', frames: 100 })
      const gaps = shown.slice(1).map(({ at }, i) => at - (shown[i]?.at ?? 0))
      const most = Math.max(...shown.map(({ damaged }) => damaged))
      t.diagnostic(
        `longest gap ${Math.max(...gaps).toFixed(0)} ms, most damage ${most.toFixed(3)} of a frame`,
      )
      assert.ok(most < 0.05, `${most}`)
    },
  )
}
