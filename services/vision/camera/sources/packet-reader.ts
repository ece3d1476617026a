import { AV_CODEC_ID_H264, AV_CODEC_ID_MJPEG, AV_NOPTS_VALUE } from 'node-av/constants'
import { CodecParser, type Frame, Packet } from 'node-av/lib'
import { UnavailableError } from '#lib/unavailable-error.ts'
import { Decoder, tooLarge } from './decoder.ts'
import { JpegSplitter } from './jpeg-splitter.ts'
import { DEFAULT_MAX_PIXELS, unframedVideo } from './source.ts'

/** Of those that one chunk completes, only the newest are decoded: thousands of tiny files fit into it. */
const MAX_FILES_PER_CHUNK = 32

/** Decodes a byte stream. */
export interface PacketReader extends Disposable {
  read(chunk: Buffer): Promise<void>
}

type Emit = (pixels: Frame) => Promise<void> | void

/** Decodes concatenated JPEG files. */
export async function openMjpegReader(emit: Emit, maxPixels = DEFAULT_MAX_PIXELS): Promise<PacketReader> {
  const decoder = await Decoder.open(AV_CODEC_ID_MJPEG, { maxPixels })
  const splitter = new JpegSplitter()
  return {
    async read(chunk) {
      for (const file of splitter.push(chunk).slice(-MAX_FILES_PER_CHUNK)) {
        checkJpegSize(file, maxPixels)
        await decode(decoder, file, emit)
      }
    },
    [Symbol.dispose]: () => decoder[Symbol.dispose](),
  }
}

/**
 * Decodes an H.264 byte stream (Annex B). Only the next access unit shows the end of one, which delays the output by a
 * frame; prefer yuv420p or MJPEG where latency matters.
 */
export async function openH264Reader(emit: Emit, maxPixels = DEFAULT_MAX_PIXELS): Promise<PacketReader> {
  const decoder = await Decoder.open(AV_CODEC_ID_H264, { maxPixels })
  const parser = new CodecParser()
  parser.init(AV_CODEC_ID_H264)
  const unframed = unframedVideo(maxPixels)
  return {
    async read(chunk) {
      unframed.arrived(chunk.length)
      unframed.signal.throwIfAborted()
      for (let at = 0; at < chunk.length; ) {
        using packet = new Packet()
        packet.alloc()
        const rest = chunk.subarray(at)
        at += parser.parse2(decoder.context, packet, rest, AV_NOPTS_VALUE, AV_NOPTS_VALUE, 0)
        if (packet.size === 0) continue
        unframed.completed()
        await decodePacket(decoder, packet, emit)
      }
    },
    [Symbol.dispose]() {
      parser.close()
      decoder[Symbol.dispose]()
    },
  }
}

/** Throws {@link UnavailableError} for a file whose frame header has too many pixels. ITU-T T.81 B.2.2. */
function checkJpegSize(jpeg: Buffer, maxPixels: number): void {
  for (let at = 2; at + 9 < jpeg.length && jpeg[at] === 0xff; at += 2 + jpeg.readUInt16BE(at + 2)) {
    const marker = jpeg[at + 1] ?? 0
    const isFrameHeader = marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker)
    if (!isFrameHeader) continue
    const [height, width] = [jpeg.readUInt16BE(at + 5), jpeg.readUInt16BE(at + 7)]
    if (width * height > maxPixels) throw new UnavailableError(tooLarge(` (${width}x${height})`, maxPixels))
    return
  }
}

async function decode(decoder: Decoder, data: Buffer, emit: Emit): Promise<void> {
  using packet = new Packet()
  packet.alloc()
  packet.data = data
  await decodePacket(decoder, packet, emit)
}

async function decodePacket(decoder: Decoder, packet: Packet, emit: Emit): Promise<void> {
  await decoder.send(packet)
  for (;;) {
    const pixels = await decoder.receive()
    if (!pixels) return
    await emit(pixels)
  }
}
