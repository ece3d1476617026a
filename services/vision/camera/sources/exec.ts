import { UnavailableError } from '#lib/unavailable-error.ts'
import type { SourceSection } from '../../config.ts'
import { SmallPictures } from './lores-frames.ts'
import { openH264Reader, openMjpegReader, type PacketReader } from './packet-reader.ts'
import { runProgram } from './program.ts'
import { createRawReader } from './raw-frames.ts'
import type { Capture, CaptureOptions } from './source.ts'

export type ExecSection = Omit<Extract<SourceSection, { type: 'exec' }>, 'type'>

/**
 * A program that writes video to its standard output. `{width}`, `{height}` and `{fps}` in its arguments are replaced;
 * where the section does not give them they are those of the video that is sent. With `lores` it writes a small
 * yuv420p picture to its descriptor 3 before each one.
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
    using small = section.lores && new SmallPictures(section.lores)
    const emit: CaptureOptions['emit'] = (pixels) => options.emit(pixels, small?.next())
    using reader = await openReader(section.format, { ...options, width, height, emit })
    try {
      await runProgram(
        command,
        options.signal,
        (chunk) => reader.read(chunk),
        small && ((chunk) => small.read(chunk)),
      )
    } catch (err) {
      if (!reader.begun || !(err instanceof UnavailableError)) throw err
      throw new UnavailableError(`${err.message} within a picture of ${width}x${height}: is that its size?`)
    }
  }
}

type Reader = PacketReader & { readonly begun?: boolean }

async function openReader(format: ExecSection['format'], options: CaptureOptions): Promise<Reader> {
  const emit = (...pictures: Parameters<CaptureOptions['emit']>) => options.emit(...pictures)
  switch (format) {
    case 'yuv420p': {
      const raw = createRawReader(options, emit)
      return Object.assign(raw, { [Symbol.dispose]() {} })
    }
    case 'mjpeg':
      return await openMjpegReader(emit)
    case 'h264':
      return await openH264Reader(emit)
  }
}
