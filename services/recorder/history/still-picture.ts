import {
  AV_CODEC_FLAG_QSCALE,
  AV_CODEC_ID_MJPEG,
  AV_LOG_FATAL,
  AV_PIX_FMT_YUVJ420P,
  AVCOL_RANGE_JPEG,
  AVCOL_SPC_SMPTE170M,
  type AVCodecID,
  AVERROR_EAGAIN,
  AVMEDIA_TYPE_VIDEO,
  AVSEEK_FLAG_BACKWARD,
  FF_ENCODER_MJPEG,
} from 'node-av/constants'
import {
  Codec,
  CodecContext,
  type CodecParameters,
  Dictionary,
  FFmpegError,
  FormatContext,
  Frame,
  Log,
  Packet,
  Rational,
  SoftwareScaleContext,
} from 'node-av/lib'

// errors are returned as codes; FFmpeg's log on stderr adds nothing to them
Log.setLevel(AV_LOG_FATAL)

/** Larger pictures are rejected before their pixels are allocated. */
const MAX_PIXELS = 3840 * 2160
/** Packets of other streams, or damaged ones, before the first frame. */
const MAX_PACKETS = 200
/** 1 (best) to 31. */
const QUANTIZER = 5
const FF_QP2LAMBDA = 118
const AV_TIME_BASE_MS = 1_000n

/** The keyframe at or before a time (ms from the start) of a video file, as a JPEG of at most this width. */
export async function keyframePicture(path: string, ms: number, width: number): Promise<Buffer> {
  using stack = new DisposableStack()
  const input = new FormatContext()
  check(await input.openInput(path), 'open clip')
  stack.defer(() => input.closeInputSync())
  check(await input.findStreamInfo(), 'read clip')
  const index = input.findBestStream(AVMEDIA_TYPE_VIDEO)
  const stream = input.streams[index]
  if (!stream) throw new Error('a clip without video')
  // an index of fragments that a growing file does not have yet: then the first keyframe
  if (ms > 0) await input.seekFrame(-1, BigInt(Math.round(ms)) * AV_TIME_BASE_MS, AVSEEK_FLAG_BACKWARD)
  const decoder = stack.use(await openDecoder(stream.codecpar.codecId, stream.codecpar))
  const packet = stack.adopt(new Packet(), (one) => one.free())
  packet.alloc()
  for (let i = 0; i < MAX_PACKETS; i++) {
    if ((await input.readFrame(packet)) < 0) break
    const frame = packet.streamIndex === index ? await decode(decoder, packet) : undefined
    packet.unref()
    if (frame) return await encodeOwned(frame, width)
  }
  const last = await decode(decoder, null)
  if (!last) throw new Error('a clip without a keyframe')
  return await encodeOwned(last, width)
}

/** A JPEG, scaled down to at most this width. */
export async function smallerPicture(jpeg: Buffer, width: number): Promise<Buffer> {
  using stack = new DisposableStack()
  const decoder = stack.use(await openDecoder(AV_CODEC_ID_MJPEG))
  const packet = stack.adopt(new Packet(), (one) => one.free())
  packet.alloc()
  packet.data = jpeg
  const frame = (await decode(decoder, packet)) ?? (await decode(decoder, null))
  if (!frame) throw new Error('not a picture')
  return await encodeOwned(frame, width)
}

interface Opened extends Disposable {
  context: CodecContext
}

async function openDecoder(id: AVCodecID, parameters?: CodecParameters): Promise<Opened> {
  const codec = Codec.findDecoder(id)
  if (!codec) throw new Error(`no decoder for codec ${id}`)
  const context = new CodecContext()
  context.allocContext3(codec)
  const opened = { context, [Symbol.dispose]: () => void context.freeContext() }
  try {
    if (parameters) check(context.parametersToContext(parameters), 'decoder parameters')
    context.threadCount = 1
    using options = Dictionary.fromObject({ max_pixels: String(MAX_PIXELS) })
    check(await context.open2(codec, options), 'open decoder')
    return opened
  } catch (err) {
    opened[Symbol.dispose]()
    throw err
  }
}

/** The next frame, which the caller frees; undefined when more packets are needed. Null: no more packets. */
async function decode({ context }: Opened, packet: Packet | null): Promise<Frame | undefined> {
  const sent = await context.sendPacket(packet)
  if (sent < 0 && sent !== AVERROR_EAGAIN) return undefined
  const frame = new Frame()
  frame.alloc()
  if ((await context.receiveFrame(frame)) >= 0) return frame
  frame.free()
  return undefined
}

/** Frees the frame. */
async function encodeOwned(frame: Frame, width: number): Promise<Buffer> {
  try {
    return await encode(frame, width)
  } finally {
    frame.free()
  }
}

/** Full range, BT.601, as JFIF specifies. */
async function encode(frame: Frame, mostWidth: number): Promise<Buffer> {
  using stack = new DisposableStack()
  const width = Math.min(mostWidth, frame.width) & ~1
  const height = Math.max(2, Math.round((frame.height * width) / frame.width / 2) * 2)
  const target = stack.adopt(new Frame(), (one) => one.free())
  target.alloc()
  Object.assign(target, { format: AV_PIX_FMT_YUVJ420P, width, height })
  Object.assign(target, { colorRange: AVCOL_RANGE_JPEG, colorSpace: AVCOL_SPC_SMPTE170M })
  check(target.getBuffer(0), 'picture buffer')
  const scaler = stack.adopt(new SoftwareScaleContext(), (one) => one.freeContext())
  scaler.allocContext()
  check(await scaler.scaleFrame(target, frame), 'scale picture')
  const codec = Codec.findEncoderByName(FF_ENCODER_MJPEG)
  if (!codec) throw new Error('this FFmpeg has no MJPEG encoder')
  const context = stack.adopt(new CodecContext(), (one) => one.freeContext())
  context.allocContext3(codec)
  Object.assign(context, { width, height, pixelFormat: AV_PIX_FMT_YUVJ420P, colorRange: AVCOL_RANGE_JPEG })
  Object.assign(context, { timeBase: new Rational(1, 1000), globalQuality: QUANTIZER * FF_QP2LAMBDA })
  context.setFlags(AV_CODEC_FLAG_QSCALE)
  context.threadCount = 1
  check(await context.open2(codec), 'open MJPEG')
  target.pts = 0n
  target.quality = QUANTIZER * FF_QP2LAMBDA
  const packet = stack.adopt(new Packet(), (one) => one.free())
  packet.alloc()
  check(await context.sendFrame(target), 'encode picture')
  check(await context.receivePacket(packet), 'encode picture')
  return Buffer.from(packet.data ?? [])
}

function check(code: number, doing: string): void {
  FFmpegError.throwIfError(code, doing)
}
