import { once } from 'node:events'
import { chmodSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { delimiter, join } from 'node:path'
import type { TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import type { SourceSection } from '#services/vision/config.ts'
import { Encoder } from '#services/vision/encode/encoder.ts'
import { JpegEncoder } from '#services/vision/encode/jpeg.ts'
import type { Size } from '#services/vision/image/fit.ts'
import { temporaryFolder } from '#test/helpers/folder.ts'
import { plainFrame } from '#test/vision/frames.ts'
import { writeClip } from '../../../../demo/clip-writer.ts'
import { type BreakableSource, OTHER_SIZE, SIZE } from './breakable-source.ts'
import { rtspSource } from './rtsp-source.ts'

const PROGRAM = fileURLToPath(new URL('fake-camera.ts', import.meta.url))
const FRAMES = 20

/** Pictures of this size as a program writes them, one piece each. */
async function piecesOf(format: 'yuv420p' | 'mjpeg' | 'h264', size: Size): Promise<Buffer[]> {
  using pixels = plainFrame(size, [90, 140, 60])
  if (format === 'yuv420p') return [pixels.toBuffer()]
  if (format === 'mjpeg') {
    using jpeg = await JpegEncoder.open(size)
    return [await jpeg.encode(pixels)]
  }
  using encoder = await Encoder.open({ ...size, fps: 25, bitrate: 500_000, matrix: 'bt601' })
  const units: Buffer[] = []
  for (let i = 0; i < FRAMES; i++)
    units.push(await encoder.encode(pixels, { at: i * 40, keyframe: i % 5 === 0 }))
  return units
}

/** The fake camera and its control file. */
async function program(t: TestContext, format: 'yuv420p' | 'mjpeg' | 'h264') {
  const folder = temporaryFolder(t)
  const control = join(folder, 'control.json')
  const files = { usual: join(folder, 'usual.json'), other: join(folder, 'other.json') }
  const write = async (file: string, size: Size) =>
    writeFileSync(
      file,
      JSON.stringify((await piecesOf(format, size)).map((piece) => piece.toString('base64'))),
    )
  await write(files.usual, SIZE)
  await write(files.other, OTHER_SIZE)
  const say = (state: string, bytes = files.usual) => {
    // never half a file
    writeFileSync(`${control}.part`, JSON.stringify({ state, bytes }))
    renameSync(`${control}.part`, control)
  }
  say('run')
  return {
    folder,
    control,
    remove: () => rmSync(control),
    restore: () => say('run'),
    die: () => say('die'),
    stall: () => say('stall'),
    resize: () => say('run', files.other),
  }
}

async function execSource(t: TestContext, format: 'yuv420p' | 'mjpeg' | 'h264'): Promise<BreakableSource> {
  const { control, folder: _, resize, ...faults } = await program(t, format)
  const source: SourceSection = {
    type: 'exec',
    command: [process.execPath, PROGRAM, control],
    format,
    ...SIZE,
  }
  // raw bytes do not tell their size
  return { source, ...faults, ...(format === 'yuv420p' ? {} : { resize }) }
}

/** `rpicam-vid` is a stand-in, first in the PATH. */
async function rpicamSource(t: TestContext): Promise<BreakableSource> {
  const { folder, control, resize: _, ...faults } = await program(t, 'yuv420p')
  const path = join(folder, 'rpicam-vid')
  writeFileSync(path, `#!/bin/sh\nexec '${process.execPath}' '${PROGRAM}' '${control}'\n`)
  chmodSync(path, 0o755)
  const before = process.env.PATH
  process.env.PATH = `${folder}${delimiter}${before}`
  t.after(() => {
    process.env.PATH = before
  })
  return { source: { type: 'rpicam', args: [] }, ...faults }
}

/** A network camera over HTTP. */
async function streamSource(t: TestContext): Promise<BreakableSource> {
  const units = { usual: await piecesOf('h264', SIZE), other: await piecesOf('h264', OTHER_SIZE) }
  let state: keyof typeof units | 'stall' = 'usual'
  let port = 0
  const open = async () => {
    const server = createServer((_, response) => {
      let index = 0
      const timer = setInterval(() => {
        if (state === 'stall') return
        const list = units[state]
        response.write(list[index++ % list.length] ?? '')
      }, 40)
      response.on('close', () => clearInterval(timer))
    })
    await once(server.listen(port, '127.0.0.1'), 'listening')
    port = (server.address() as AddressInfo).port
    return server
  }
  let server: Awaited<ReturnType<typeof open>> | undefined = await open()
  const remove = () => {
    server?.closeAllConnections()
    server?.close()
    server = undefined
  }
  t.after(remove)
  return {
    source: { type: 'url', url: `http://127.0.0.1:${port}/live.h264`, loop: false },
    remove,
    async restore() {
      state = 'usual'
      server ??= await open()
    },
    die: remove,
    stall() {
      state = 'stall'
    },
    resize() {
      state = 'other'
    },
  }
}

/** A file that is played once: its end is a camera that dies. */
async function fileSource(t: TestContext): Promise<BreakableSource> {
  const path = join(temporaryFolder(t), 'clip.mp4')
  const write = () => writeClip(path, Array(15).fill(Buffer.alloc(1280 * 720 * 4, 0x77)))
  await write()
  const remove = () => rmSync(path, { force: true })
  return { source: { type: 'url', url: path, loop: false }, remove, restore: write, die: remove }
}

/** Painted by us: there is nothing that could break. */
function syntheticSource(): BreakableSource {
  return { source: { type: 'synthetic' }, restore() {} }
}

/** There is no such device here: only that it is missing can be tried. */
function v4l2Source(): BreakableSource {
  return { source: { type: 'v4l2', device: '/dev/video99' }, remove() {}, restore() {} }
}

export const SOURCES: Readonly<
  Record<string, (t: TestContext) => Promise<BreakableSource> | BreakableSource>
> = {
  'exec yuv420p': (t) => execSource(t, 'yuv420p'),
  'exec mjpeg': (t) => execSource(t, 'mjpeg'),
  'exec h264': (t) => execSource(t, 'h264'),
  rpicam: rpicamSource,
  'url over HTTP': streamSource,
  'url over RTSP': rtspSource,
  'url of a file': fileSource,
  synthetic: syntheticSource,
  v4l2: v4l2Source,
}
