import type { SourceSection } from '../config.ts'
import { openH264Reader, openMjpegReader, type PacketReader } from './packet-reader.ts'
import { runProgram } from './program.ts'
import { createRawReader } from './raw-frames.ts'
import type { Capture, CaptureOptions } from './source.ts'

type ExecSection = Omit<Extract<SourceSection, { type: 'exec' }>, 'type'>

/**
 * A program that writes video to its standard output. `{width}`, `{height}` and `{fps}` in its arguments are replaced;
 * where the section does not give them they are those of the video that is sent.
 */
export function captureExec(section: ExecSection): Capture {
  return async (options) => {
    const width = section.width ?? options.width
    const height = section.height ?? options.height
    const fps = section.fps ?? options.fps
    const command = section.command.map((word) =>
      word
        .replaceAll('{width}', String(width))
        .replaceAll('{height}', String(height))
        .replaceAll('{fps}', String(fps)),
    )
    using reader = await openReader(section.format, { ...options, width, height })
    await runProgram(command, options.signal, (chunk) => reader.read(chunk))
  }
}

async function openReader(format: ExecSection['format'], options: CaptureOptions): Promise<PacketReader> {
  const { emit } = options
  switch (format) {
    case 'yuv420p':
      return { read: createRawReader(options, emit), [Symbol.dispose]() {} }
    case 'mjpeg':
      return await openMjpegReader(emit)
    case 'h264':
      return await openH264Reader(emit)
  }
}
