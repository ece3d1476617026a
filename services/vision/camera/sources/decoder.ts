import {
  AVERROR_EAGAIN,
  AVERROR_EOF,
  Codec,
  CodecContext,
  type CodecParameters,
  Frame,
  type Packet,
} from 'node-av'
import { type AVCodecID, FF_THREAD_SLICE } from 'node-av/constants'
import { UnavailableError } from '#lib/unavailable-error.ts'
import { check } from '../../image/pixels.ts'

/** Decodes packets to pictures, on FFmpeg's own threads, without holding pictures back. */
export class Decoder implements Disposable {
  readonly context = new CodecContext()

  /** For a codec, or for a stream with its parameters. Rejects with {@link UnavailableError} for one we cannot decode. */
  static async open(id: AVCodecID, parameters?: CodecParameters): Promise<Decoder> {
    const codec = Codec.findDecoder(id)
    if (!codec) throw new UnavailableError(`no decoder for codec ${id}`)
    const decoder = new Decoder()
    const { context } = decoder
    context.allocContext3(codec)
    if (parameters) check(context.parametersToContext(parameters), 'decoder parameters')
    // frame threads would hold back a picture each
    context.threadType = FF_THREAD_SLICE
    check(await context.open2(codec), 'open decoder')
    return decoder
  }

  /** Hands a packet over; null says that no more will come. A damaged one is skipped. */
  async send(packet: Packet | null): Promise<void> {
    await this.context.sendPacket(packet)
  }

  /** The next picture, which the caller frees; undefined when the decoder wants more packets, or has ended. */
  async receive(): Promise<Frame | undefined> {
    const frame = new Frame()
    frame.alloc()
    const code = await this.context.receiveFrame(frame)
    if (code >= 0) return frame
    frame.free()
    if (code !== AVERROR_EAGAIN && code !== AVERROR_EOF) check(code, 'decode')
    return undefined
  }

  [Symbol.dispose](): void {
    this.context.freeContext()
  }
}
