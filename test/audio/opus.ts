import { Codec, CodecContext, Frame, Packet } from 'node-av'
import { AV_CHANNEL_ORDER_NATIVE, AV_CODEC_ID_OPUS } from 'node-av/constants'

/** Decodes Opus packets, one after the other, to 48 kHz mono. */
export function decodeOpus(packets: readonly Buffer[]): Int16Array {
  const codec = Codec.findDecoder(AV_CODEC_ID_OPUS)
  if (!codec) throw new Error('no Opus decoder')
  using context = new CodecContext()
  context.allocContext3(codec)
  context.sampleRate = 48_000
  context.channelLayout = { nbChannels: 1, order: AV_CHANNEL_ORDER_NATIVE, mask: 4n }
  if (context.open2Sync(codec) < 0) throw new Error('cannot open the Opus decoder')
  using packet = new Packet()
  using frame = new Frame()
  packet.alloc()
  frame.alloc()
  const parts: Int16Array[] = []
  for (const data of packets) {
    packet.data = data
    if (context.sendPacketSync(packet) < 0) throw new Error('not Opus')
    packet.unref()
    while (context.receiveFrameSync(frame) >= 0) {
      const [plane] = frame.extendedData ?? []
      if (plane) parts.push(toInt16(plane, frame.nbSamples))
      frame.unref()
    }
  }
  const all = new Int16Array(parts.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const part of parts) {
    all.set(part, at)
    at += part.length
  }
  return all
}

/** FFmpeg's decoder has planar floats. */
function toInt16(plane: Buffer, samples: number): Int16Array {
  return Int16Array.from({ length: samples }, (_, i) =>
    Math.max(-32_768, Math.min(32_767, Math.round(plane.readFloatLE(i * 4) * 32_768))),
  )
}
