import { AV_CODEC_ID_HEVC, AV_NOPTS_VALUE, AVERROR_EOF, AVMEDIA_TYPE_VIDEO } from 'node-av/constants'
import {
  Dictionary,
  FFmpegError,
  FormatContext,
  type Frame,
  InputFormat,
  Packet,
  type Stream,
} from 'node-av/lib'
import type { UnframedBytes } from '#lib/media/unframed-bytes.ts'
import { UnavailableError } from '#lib/unavailable-error.ts'
import { DECODERS, Decoder } from './decoder.ts'
import { PacketLoss } from './packet-loss.ts'
import { unframedVideo } from './source.ts'

/** Of the check of the bytes that FFmpeg has read by itself. */
const CHECK_INTERVAL_MS = 250

export interface InputOptions {
  /** FFmpeg's name of the demuxer, where it is not probed. */
  format?: string
  /** FFmpeg's options for protocol and demuxer. */
  options?: Record<string, string>
  maxPixels?: number | undefined
  /** The video is sent in RTP packets, which may be lost. */
  isRtp?: boolean
  /** Called for each packet of video. */
  onData?: (() => void) | undefined
  /** Counts what a gateway has passed on to FFmpeg. */
  unframed?: UnframedBytes
  /** A stream without a gateway: the bytes that FFmpeg has read count. Not for files, where it moves ahead without reading. */
  isUncounted?: boolean
  signal: AbortSignal
}

/**
 * The video of a file, stream or device that FFmpeg can open. Frames are decoded from the first packet on: FFmpeg's
 * `avformat_find_stream_info` would take as long as the interval of keyframes, and decode frames of any size.
 */
export class Input implements AsyncDisposable {
  readonly #context = new FormatContext()
  readonly #packet = new Packet()
  readonly #options: InputOptions
  readonly #interrupt = () => this.#context.interrupt()
  readonly #unframed: UnframedBytes
  #check: NodeJS.Timeout | undefined
  #stream: Stream | undefined
  /** Position after the last frame, ms: a bare H.264 stream has no timestamps. */
  #position = 0
  #decoder: Decoder | undefined
  #loss: PacketLoss | undefined

  /** Rejects with {@link UnavailableError} when it cannot be opened, has no video, or the signal is aborted. */
  static async open(url: string, options: InputOptions): Promise<Input> {
    const input = new Input(options)
    try {
      await input.#open(url)
      return input
    } catch (err) {
      await input[Symbol.asyncDispose]()
      throw err
    }
  }

  private constructor(options: InputOptions) {
    this.#options = options
    this.#unframed = options.unframed ?? unframedVideo(options.maxPixels)
    this.#context.allocContext()
    this.#packet.alloc()
    // ends a read that waits for the network
    options.signal.addEventListener('abort', this.#interrupt)
    this.#unframed.signal.addEventListener('abort', this.#interrupt)
  }

  /** The next frame, which the caller frees, with position and duration in ms; undefined at the end. */
  async next(): Promise<{ pixels: Frame; position: number; duration: number } | undefined> {
    let ended = false
    while (!this.#options.signal.aborted) {
      const pixels = await this.#decoder?.receive()
      if (pixels && this.#stream) return this.#place(pixels, this.#stream)
      if (ended) return undefined
      ended = !(await this.#read())
    }
    return undefined
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#check)
    this.#options.signal.removeEventListener('abort', this.#interrupt)
    this.#unframed.signal.removeEventListener('abort', this.#interrupt)
    this.#decoder?.[Symbol.dispose]()
    this.#loss?.[Symbol.dispose]()
    this.#packet.free()
    await this.#context.closeInput()
  }

  async #open(url: string): Promise<void> {
    const { format, options = {} } = this.#options
    const inputFormat = format === undefined ? null : InputFormat.findInputFormat(format)
    if (format !== undefined && !inputFormat) throw new UnavailableError(`FFmpeg has no input ${format}`)
    using dictionary = Dictionary.fromObject({ codec_whitelist: DECODERS.join(','), ...options })
    const code = await this.#context.openInput(url, inputFormat, dictionary)
    this.#unframed.signal.throwIfAborted()
    unavailable(code, 'cannot open')
    if (this.#options.isUncounted) this.#countBytes()
  }

  #countBytes(): void {
    let last = 0n
    this.#check = setInterval(() => {
      const { pbBytes } = this.#context
      this.#unframed.arrived(Number(pbBytes - last))
      last = pbBytes
    }, CHECK_INTERVAL_MS)
  }

  async #use(stream: Stream): Promise<void> {
    const { maxPixels, isRtp } = this.#options
    this.#stream = stream
    if (isRtp && stream.codecpar.codecId === AV_CODEC_ID_HEVC) this.#loss = new PacketLoss()
    this.#decoder = await Decoder.open(stream.codecpar.codecId, { parameters: stream.codecpar, maxPixels })
  }

  #place(pixels: Frame, stream: Stream) {
    const { position = this.#position, duration } = timing(pixels, stream)
    this.#position = position + duration
    return { pixels, position, duration }
  }

  /** Feeds the decoder; false at the end. */
  async #read(): Promise<boolean> {
    const code = await this.#context.readFrame(this.#packet)
    this.#unframed.signal.throwIfAborted()
    if (code === AVERROR_EOF) {
      if (!this.#stream) throw new UnavailableError('no video stream')
      await this.#decoder?.send(null)
      return false
    }
    if (this.#options.signal.aborted) return false
    unavailable(code, 'cannot read')
    const { streamIndex } = this.#packet
    const stream = this.#context.streams[streamIndex]
    if (!this.#stream && stream?.codecpar.codecType === AVMEDIA_TYPE_VIDEO) await this.#use(stream)
    if (streamIndex === this.#stream?.index) {
      this.#unframed.completed()
      this.#options.onData?.()
      if (!(await this.#loss?.affects(this.#packet))) await this.#decoder?.send(this.#packet)
    }
    this.#packet.unref()
    return true
  }
}

function timing(pixels: Frame, stream: Stream) {
  const { num, den } = stream.timeBase
  const { num: rateNum, den: rateDen } = stream.avgFrameRate
  const unit = (1000 * num) / den
  const given = Number(pixels.duration) * unit
  const { bestEffortTimestamp: time } = pixels
  return {
    position: time === AV_NOPTS_VALUE ? undefined : Number(time) * unit,
    duration: given > 0 ? given : rateNum > 0 ? (1000 * rateDen) / rateNum : 40,
  }
}

function unavailable(code: number, doing: string): void {
  if (code < 0) throw new UnavailableError(`${doing}: ${FFmpegError.strerror(code)}`)
}
