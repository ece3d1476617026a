import { type ByteSink, inChunks, runProgram } from '#lib/media/program.ts'
import { UnavailableError } from '#lib/unavailable-error.ts'
import type { SourceSection } from '../../config.ts'
import { LoresFrames } from './lores-frames.ts'
import { openH264Reader, openMjpegReader, type PacketReader } from './packet-reader.ts'
import { RawReader } from './raw-frames.ts'
import type { Capture, CaptureOptions } from './source.ts'

export type ExecSection = Omit<Extract<SourceSection, { type: 'exec' }>, 'type'>

/**
 * A program that writes video to its standard output. `{width}`, `{height}` and `{fps}` in its arguments are replaced by
 * the values of the section, else of the video. With `lores` it writes a low-resolution yuv420p frame to its descriptor 3
 * before each main frame.
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
    using lores = section.lores && new LoresFrames(section.lores)
    const emit: CaptureOptions['emit'] = (pixels) => options.emit(pixels, lores?.next())
    using reader = await openReader(section.format, { ...options, width, height, emit })
    try {
      await runProgram(command, options.signal, reader, lores && ((chunk) => lores.read(chunk)))
    } catch (err) {
      if (!reader.isPartial || !(err instanceof UnavailableError)) throw err
      throw new UnavailableError(
        `${err.message} within a frame of ${width}x${height}: check width and height`,
      )
    }
  }
}

type Reader = ByteSink & Disposable & { readonly isPartial?: boolean }

async function openReader(format: ExecSection['format'], options: CaptureOptions): Promise<Reader> {
  const emit = (...frames: Parameters<CaptureOptions['emit']>) => options.emit(...frames)
  switch (format) {
    case 'yuv420p':
      return new RawReader(options, emit)
    case 'mjpeg':
      return sinkOf(await openMjpegReader(emit, options.maxPixels))
    case 'h264':
      return sinkOf(await openH264Reader(emit, options.maxPixels))
  }
}

function sinkOf(reader: PacketReader): Reader {
  return { ...inChunks((chunk) => reader.read(chunk)), [Symbol.dispose]: () => reader[Symbol.dispose]() }
}
