import {
  AVERROR_EOF,
  Dictionary,
  FFmpegError,
  FormatContext,
  type Frame,
  InputFormat,
  Packet,
  type Stream,
} from 'node-av'
import { AV_NOPTS_VALUE, AVMEDIA_TYPE_VIDEO } from 'node-av/constants'
import { UnavailableError } from '#lib/unavailable-error.ts'
import { Decoder } from './decoder.ts'

export interface InputOptions {
  /** FFmpeg's name of the demuxer, where it is not probed. */
  format?: string
  /** FFmpeg's options for protocol and format. */
  options?: Record<string, string>
  signal: AbortSignal
}

/** Demuxers that deliver in real time, also with a known duration. */
const LIVE_FORMATS: ReadonlySet<string> = new Set(['rtsp', 'sdp'])

/** The video of a file, stream or device that FFmpeg can open. */
export class Input implements AsyncDisposable {
  readonly #context = new FormatContext()
  readonly #packet = new Packet()
  readonly #signal: AbortSignal
  readonly #interrupt = () => this.#context.interrupt()
  #stream: Stream | undefined
  /** Position after the last frame, ms: a bare H.264 stream has no timestamps. */
  #position = 0
  #decoder: Decoder | undefined

  /** Rejects with {@link UnavailableError} when it cannot be opened, has no video, or the signal is aborted. */
  static async open(url: string, options: InputOptions): Promise<Input> {
    const input = new Input(options.signal)
    try {
      await input.#open(url, options)
      return input
    } catch (err) {
      await input[Symbol.asyncDispose]()
      throw err
    }
  }

  private constructor(signal: AbortSignal) {
    this.#signal = signal
    this.#context.allocContext()
    this.#packet.alloc()
    // ends a read that waits for the network
    signal.addEventListener('abort', this.#interrupt)
  }

  /**
   * True when frames arrive before they are due: of recordings, and of HLS and DASH, whose segments hold seconds. Cameras,
   * over RTSP too, send each frame when it is captured.
   */
  get needsPacing(): boolean {
    const format = this.#context.iformat?.name ?? ''
    return /hls|dash/.test(format) || (this.#context.duration > 0n && !LIVE_FORMATS.has(format))
  }

  /** The next frame, which the caller frees, with position and duration in ms; undefined at the end. */
  async next(): Promise<{ pixels: Frame; position: number; duration: number } | undefined> {
    const decoder = this.#decoder
    const stream = this.#stream
    if (!decoder || !stream) return undefined
    let ended = false
    while (!this.#signal.aborted) {
      const pixels = await decoder.receive()
      if (pixels) return this.#place(pixels, stream)
      if (ended) return undefined
      ended = !(await this.#read(decoder, stream))
    }
    return undefined
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#signal.removeEventListener('abort', this.#interrupt)
    this.#decoder?.[Symbol.dispose]()
    this.#packet.free()
    await this.#context.closeInput()
  }

  async #open(url: string, { format, options = {} }: InputOptions): Promise<void> {
    const inputFormat = format === undefined ? null : InputFormat.findInputFormat(format)
    if (format !== undefined && !inputFormat) throw new UnavailableError(`FFmpeg has no input ${format}`)
    using dictionary = Dictionary.fromObject(options)
    unavailable(await this.#context.openInput(url, inputFormat, dictionary), 'cannot open')
    unavailable(await this.#context.findStreamInfo(), 'cannot read')
    const index = this.#context.findBestStream(AVMEDIA_TYPE_VIDEO)
    const stream = this.#context.streams[index]
    if (index < 0 || !stream) throw new UnavailableError('no video stream')
    this.#stream = stream
    this.#decoder = await Decoder.open(stream.codecpar.codecId, stream.codecpar)
  }

  #place(pixels: Frame, stream: Stream) {
    const { position = this.#position, duration } = timing(pixels, stream)
    this.#position = position + duration
    return { pixels, position, duration }
  }

  /** Feeds the decoder; false at the end. */
  async #read(decoder: Decoder, stream: Stream): Promise<boolean> {
    const code = await this.#context.readFrame(this.#packet)
    if (code === AVERROR_EOF) {
      await decoder.send(null)
      return false
    }
    if (this.#signal.aborted) return false
    unavailable(code, 'cannot read')
    if (this.#packet.streamIndex === stream.index) await decoder.send(this.#packet)
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
