import { CodecParser, type Frame, Packet } from 'node-av'
import { AV_CODEC_ID_H264, AV_CODEC_ID_MJPEG, AV_NOPTS_VALUE } from 'node-av/constants'
import { Decoder } from './decoder.ts'
import { JpegSplitter } from './jpeg-splitter.ts'

/** Decodes a byte stream. */
export interface PacketReader extends Disposable {
  read(chunk: Buffer): Promise<void>
}

type Emit = (pixels: Frame) => Promise<void> | void

/** Decodes concatenated JPEG files. */
export async function openMjpegReader(emit: Emit): Promise<PacketReader> {
  const decoder = await Decoder.open(AV_CODEC_ID_MJPEG)
  const splitter = new JpegSplitter()
  return {
    async read(chunk) {
      for (const file of splitter.push(chunk)) await decode(decoder, file, emit)
    },
    [Symbol.dispose]: () => decoder[Symbol.dispose](),
  }
}

/**
 * Decodes an H.264 byte stream (Annex B). Only the next access unit shows the end of one, which delays the output by a
 * frame; prefer yuv420p or MJPEG where latency matters.
 */
export async function openH264Reader(emit: Emit): Promise<PacketReader> {
  const decoder = await Decoder.open(AV_CODEC_ID_H264)
  const parser = new CodecParser()
  parser.init(AV_CODEC_ID_H264)
  return {
    async read(chunk) {
      for (let at = 0; at < chunk.length; ) {
        using packet = new Packet()
        packet.alloc()
        const rest = chunk.subarray(at)
        at += parser.parse2(decoder.context, packet, rest, AV_NOPTS_VALUE, AV_NOPTS_VALUE, 0)
        if (packet.size > 0) await decodePacket(decoder, packet, emit)
      }
    },
    [Symbol.dispose]() {
      parser.close()
      decoder[Symbol.dispose]()
    },
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
