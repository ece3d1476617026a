import { AV_CHANNEL_ORDER_NATIVE, AV_CODEC_ID_OPUS } from 'node-av/constants'
import { Codec, CodecContext, Frame, Packet } from 'node-av/lib'

/** Samples of a packet. */
const BLOCK = 960

/** Decodes Opus packets, one after the other, to 48 kHz mono. */
export function decodeOpus(packets: readonly Buffer[]): Int16Array {
  using decoder = openDecoder()
  const all = new Int16Array(packets.length * BLOCK)
  for (const [i, data] of packets.entries()) all.set(decoder.decode(data).subarray(0, BLOCK), i * BLOCK)
  return all
}

function openDecoder() {
  const codec = Codec.findDecoder(AV_CODEC_ID_OPUS)
  if (!codec) throw new Error('no Opus decoder')
  const context = new CodecContext()
  context.allocContext3(codec)
  context.sampleRate = 48_000
  context.channelLayout = { nbChannels: 1, order: AV_CHANNEL_ORDER_NATIVE, mask: 4n }
  if (context.open2Sync(codec) < 0) throw new Error('cannot open the Opus decoder')
  const packet = new Packet()
  const frame = new Frame()
  packet.alloc()
  frame.alloc()
  return {
    decode(data: Buffer): Int16Array {
      packet.data = data
      if (context.sendPacketSync(packet) < 0) throw new Error('not Opus')
      packet.unref()
      if (context.receiveFrameSync(frame) < 0) return new Int16Array()
      const [plane] = frame.extendedData ?? []
      const samples = plane ? toInt16(plane, frame.nbSamples) : new Int16Array()
      frame.unref()
      return samples
    },
    [Symbol.dispose]() {
      context.freeContext()
      packet.free()
      frame.free()
    },
  }
}

/** FFmpeg's decoder has planar floats. */
function toInt16(plane: Buffer, samples: number): Int16Array {
  return Int16Array.from({ length: samples }, (_, i) =>
    Math.max(-32_768, Math.min(32_767, Math.round(plane.readFloatLE(i * 4) * 32_768))),
  )
}
