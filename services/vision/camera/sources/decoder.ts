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

/** Decodes packets to frames, on FFmpeg's threads, without frame delay. */
export class Decoder implements Disposable {
  readonly context = new CodecContext()

  /** Opens the decoder of a codec, with the parameters of a stream if given. Rejects with {@link UnavailableError} when there is none. */
  static async open(id: AVCodecID, parameters?: CodecParameters): Promise<Decoder> {
    const codec = Codec.findDecoder(id)
    if (!codec) throw new UnavailableError(`no decoder for codec ${id}`)
    const decoder = new Decoder()
    const { context } = decoder
    context.allocContext3(codec)
    if (parameters) check(context.parametersToContext(parameters), 'decoder parameters')
    // frame threads would delay the output by a frame each
    context.threadType = FF_THREAD_SLICE
    check(await context.open2(codec), 'open decoder')
    return decoder
  }

  /** Sends a packet; null at the end of the stream. A damaged packet is skipped. */
  async send(packet: Packet | null): Promise<void> {
    await this.context.sendPacket(packet)
  }

  /** The next frame, which the caller frees; undefined when the decoder needs more packets or has ended. */
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
