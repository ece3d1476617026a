import {
  AV_SAMPLE_FMT_S16,
  AVERROR_EAGAIN,
  AVERROR_EOF,
  AVMEDIA_TYPE_AUDIO,
  type AVSampleFormat,
} from 'node-av/constants'
import {
  Codec,
  CodecContext,
  Dictionary,
  FFmpegError,
  FormatContext,
  Frame,
  type IOContext,
  Packet,
  SoftwareResampleContext,
  type Stream,
} from 'node-av/lib'
import { UnavailableError } from '#lib/unavailable-error.ts'
import { check, MONO } from '../../sound/ffmpeg.ts'
import { SAMPLE_RATE } from '../../sound/format.ts'
import { readFrom } from './memory-file.ts'

/** Codecs of cameras and recordings: fewer decoders of hostile data. */
const DECODERS =
  'aac mp3 mp3float mp2 opus libopus vorbis flac pcm_s16le pcm_s16be pcm_s24le pcm_s32le pcm_f32le pcm_u8 pcm_mulaw pcm_alaw adpcm_g726 adpcm_ima_wav'.split(
    ' ',
  )

interface SoundInputOptions {
  signal: AbortSignal
  /** FFmpeg's options for protocol and demuxer. */
  options: Record<string, string>
  /** The file itself, in place of an address. */
  bytes?: Buffer
}

/** Sound with more is not decoded: the resampler needs memory for each channel, and for each sample at 48 kHz. */
const MAX_CHANNELS = 16
const RATES = { min: 4_000, max: 384_000 }

/** The sound of a file or stream that FFmpeg can open, as 48 kHz mono. */
export class SoundInput implements AsyncDisposable {
  readonly #context = new FormatContext()
  readonly #packet = new Packet()
  readonly #frame = new Frame()
  readonly #signal: AbortSignal
  readonly #interrupt = () => this.#context.interrupt()
  #file: IOContext | undefined
  #stream: Stream | undefined
  #decoder: CodecContext | undefined
  #resampler: { context: SoftwareResampleContext; format: string } | undefined
  #ended = false

  /** Rejects with {@link UnavailableError} when it cannot be opened, or the signal is aborted. */
  static async open(url: string, { signal, options, bytes }: SoundInputOptions): Promise<SoundInput> {
    const input = new SoundInput(signal)
    try {
      if (bytes) input.#readFrom(bytes)
      using dictionary = Dictionary.fromObject({ codec_whitelist: DECODERS.join(','), ...options })
      unavailable(await input.#context.openInput(url, null, dictionary), 'cannot open')
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
    this.#frame.alloc()
    // ends a read that waits for the network
    signal.addEventListener('abort', this.#interrupt)
  }

  /** The next samples, or undefined at the end. */
  async next(): Promise<Int16Array | undefined> {
    while (!this.#signal.aborted) {
      const code = this.#decoder?.receiveFrameSync(this.#frame) ?? AVERROR_EAGAIN
      if (code >= 0) {
        const samples = this.#convert()
        this.#frame.unref()
        if (samples.length > 0) return samples
        continue
      }
      if (this.#ended) return undefined
      await this.#read()
    }
    return undefined
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#signal.removeEventListener('abort', this.#interrupt)
    this.#decoder?.freeContext()
    this.#resampler?.context.free()
    this.#frame.free()
    this.#packet.free()
    await this.#context.closeInput()
    // FFmpeg leaves one of ours to us
    this.#file?.freeContext()
  }

  #readFrom(bytes: Buffer): void {
    this.#file = readFrom(bytes)
    this.#context.pb = this.#file
  }

  /** Feeds the decoder. A damaged packet is skipped. */
  async #read(): Promise<void> {
    const code = await this.#context.readFrame(this.#packet)
    if (this.#signal.aborted) return
    if (code === AVERROR_EOF) {
      if (!this.#decoder) throw new UnavailableError('no sound in it')
      this.#ended = true
      this.#decoder.sendPacketSync(null)
      return
    }
    unavailable(code, 'cannot read')
    const { streamIndex } = this.#packet
    const stream = this.#context.streams[streamIndex]
    if (!this.#stream && stream?.codecpar.codecType === AVMEDIA_TYPE_AUDIO) await this.#use(stream)
    if (streamIndex === this.#stream?.index) this.#decoder?.sendPacketSync(this.#packet)
    this.#packet.unref()
  }

  async #use(stream: Stream): Promise<void> {
    const codec = Codec.findDecoder(stream.codecpar.codecId)
    if (!codec?.name || !DECODERS.includes(codec.name)) {
      throw new UnavailableError(`cannot decode ${codec?.name ?? `codec ${stream.codecpar.codecId}`}`)
    }
    const decoder = new CodecContext()
    decoder.allocContext3(codec)
    this.#decoder = decoder
    check(decoder.parametersToContext(stream.codecpar), 'decoder parameters')
    check(await decoder.open2(codec), 'open decoder')
    this.#stream = stream
  }

  /** The decoded frame as 48 kHz mono; its rate and channels may change within a stream. */
  #convert(): Int16Array {
    const { channelLayout, sampleRate, format } = this.#frame
    const isUsable =
      sampleRate >= RATES.min && sampleRate <= RATES.max && channelLayout.nbChannels <= MAX_CHANNELS
    if (!isUsable) throw new UnavailableError(`${channelLayout.nbChannels} channels of ${sampleRate} Hz`)
    const key = `${channelLayout.nbChannels}/${channelLayout.mask}/${sampleRate}/${format}`
    if (this.#resampler?.format !== key) {
      this.#resampler?.context.free()
      const context = new SoftwareResampleContext()
      this.#resampler = { context, format: key }
      const from = [channelLayout, format as AVSampleFormat, sampleRate] as const
      check(context.allocSetOpts2(MONO, AV_SAMPLE_FMT_S16, SAMPLE_RATE, ...from), 'resample')
      check(context.init(), 'resample')
    }
    const { context } = this.#resampler
    const most = context.getOutSamples(this.#frame.nbSamples)
    const out = Buffer.allocUnsafeSlow(most * 2)
    const count = context.convertSync([out], most, this.#frame.extendedData, this.#frame.nbSamples)
    check(count, 'resample')
    return new Int16Array(out.buffer, 0, count)
  }
}

function unavailable(code: number, doing: string): void {
  if (code < 0) throw new UnavailableError(`${doing}: ${FFmpegError.strerror(code)}`)
}
