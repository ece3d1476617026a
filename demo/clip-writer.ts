import {
  AV_CODEC_FLAG_GLOBAL_HEADER,
  AV_LOG_FATAL,
  AV_PIX_FMT_RGBA,
  AV_PIX_FMT_YUV420P,
  AVCOL_PRI_BT709,
  AVCOL_RANGE_JPEG,
  AVCOL_RANGE_MPEG,
  AVCOL_SPC_BT709,
  AVCOL_SPC_RGB,
  AVCOL_TRC_BT709,
  FF_ENCODER_LIBX264,
} from 'node-av/constants'
import {
  Codec,
  CodecContext,
  Dictionary,
  FFmpegError,
  FormatContext,
  Frame,
  Log,
  Packet,
  Rational,
  SoftwareScaleContext,
} from 'node-av/lib'
import { FPS, HEIGHT, WIDTH } from './story.ts'

Log.setLevel(AV_LOG_FATAL)
const check = (code: number, doing: string) => FFmpegError.throwIfError(code, doing)

/** Writes RGBA frames as H.264 into an MP4 file. */
export async function writeClip(
  path: string,
  pictures: AsyncIterable<Buffer> | Iterable<Buffer>,
): Promise<void> {
  const encoder = await openEncoder()
  await using file = new FormatContext()
  file.allocOutputContext2(null, 'mp4', path)
  const stream = file.newStream()
  check(stream.codecpar.fromContext(encoder), 'stream')
  stream.timeBase = encoder.timeBase
  check(await file.openOutput(), `open ${path}`)
  using options = Dictionary.fromObject({ movflags: 'faststart' })
  check(await file.writeHeader(options), 'header')
  using packet = new Packet()
  packet.alloc()

  async function drain() {
    while ((await encoder.receivePacket(packet)) >= 0) {
      packet.streamIndex = stream.index
      packet.duration = 1n
      packet.rescaleTs(encoder.timeBase, stream.timeBase)
      check(await file.interleavedWriteFrame(packet), 'write')
    }
  }

  using scaler = new SoftwareScaleContext()
  scaler.allocContext()
  let index = 0n
  for await (const picture of pictures) {
    using frame = await toYuv(scaler, picture)
    frame.pts = index++
    check(await encoder.sendFrame(frame), 'encode')
    await drain()
  }
  await encoder.sendFrame(null)
  await drain()
  check(await file.writeTrailer(), 'trailer')
  await file.closeOutput()
  encoder.freeContext()
}

async function openEncoder(): Promise<CodecContext> {
  const codec = Codec.findEncoderByName(FF_ENCODER_LIBX264)
  if (!codec) throw new Error('this FFmpeg has no libx264')
  const encoder = new CodecContext()
  encoder.allocContext3(codec)
  encoder.width = WIDTH
  encoder.height = HEIGHT
  encoder.pixelFormat = AV_PIX_FMT_YUV420P
  encoder.timeBase = new Rational(1, FPS)
  encoder.framerate = new Rational(FPS, 1)
  encoder.gopSize = FPS * 4
  encoder.maxBFrames = 0
  encoder.colorRange = AVCOL_RANGE_MPEG
  encoder.colorSpace = AVCOL_SPC_BT709
  encoder.colorPrimaries = AVCOL_PRI_BT709
  encoder.colorTrc = AVCOL_TRC_BT709
  encoder.setFlags(AV_CODEC_FLAG_GLOBAL_HEADER)
  using options = Dictionary.fromObject({ preset: 'slow', crf: 25, profile: 'high' })
  check(await encoder.open2(codec, options), 'open libx264')
  return encoder
}

async function toYuv(scaler: SoftwareScaleContext, rgba: Buffer): Promise<Frame> {
  using source = Frame.fromVideoBuffer(rgba, { width: WIDTH, height: HEIGHT, format: AV_PIX_FMT_RGBA })
  source.colorRange = AVCOL_RANGE_JPEG
  source.colorSpace = AVCOL_SPC_RGB
  const target = new Frame()
  target.alloc()
  target.format = AV_PIX_FMT_YUV420P
  target.width = WIDTH
  target.height = HEIGHT
  target.colorRange = AVCOL_RANGE_MPEG
  target.colorSpace = AVCOL_SPC_BT709
  check(target.getBuffer(0), 'frame buffer')
  check(await scaler.scaleFrame(target, source), 'convert')
  return target
}
