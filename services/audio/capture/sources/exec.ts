import { setTimeout as sleep } from 'node:timers/promises'
import { createPacer } from '#lib/media/pacer.ts'
import { type ByteSink, runProgram } from '#lib/media/program.ts'
import type { AudioSourceSection } from '../../config.ts'
import { BLOCK_SAMPLES, SAMPLES_PER_MS } from '../../sound/format.ts'
import { SampleClock } from '../sample-clock.ts'
import { createPcmConverter, type PcmConverter } from './pcm-converter.ts'
import type { Capture, CaptureOptions } from './source.ts'

type ExecSection = Omit<Extract<AudioSourceSection, { type: 'exec' }>, 'type'>

/** More than the kernel holds of a stream between processes: after a delay all of it is read at once, and counts as older. */
const READ_BYTES = 256 * 1024
/** A program that is so far ahead of real time plays a recording (ms). */
const RECORDING_AHEAD_MS = 1_000

/** A program that writes signed 16-bit little-endian samples to its standard output, as fast as they are captured or faster. */
export function captureExec({ command, rate, channels }: ExecSection): Capture {
  return async (options) => {
    using converter = createPcmConverter({ rate, channels })
    await runProgram(command, options.signal, new PcmReader(converter, channels, options))
  }
}

/** alsa-utils' recorder: FFmpeg's ALSA has no plugins, so neither `default` nor `plughw` nor `dsnoop`. */
export function captureAlsa({ device }: { device: string }): Capture {
  const format = ['-t', 'raw', '-f', 'S16_LE', '-r', '48000', '-c', '1']
  const latency = ['--period-time=20000', '--buffer-time=200000']
  return captureExec({ command: ['arecord', '-q', '-D', device, ...format, ...latency], ...NATIVE })
}

/** A client of PulseAudio, or of PipeWire by its PulseAudio socket. */
export function capturePulse({ device }: { device?: string | undefined }): Capture {
  const format = ['--raw', '--format=s16le', '--rate=48000', '--channels=1']
  const source = device === undefined ? [] : [`--device=${device}`]
  const command = ['parec', '--client-name=wimz', '--latency-msec=20', ...format, ...source]
  return captureExec({ command, ...NATIVE })
}

const NATIVE = { rate: 48_000, channels: 1 }

/** Reads samples from the output of a program: as they come, or in real time if the program writes faster. */
class PcmReader implements ByteSink {
  readonly #converter: PcmConverter
  readonly #options: CaptureOptions
  readonly #frameBytes: number
  readonly #buffer = Buffer.allocUnsafeSlow(READ_BYTES)
  readonly #clock = new SampleClock()
  readonly #start = performance.now()
  /** Bytes of an incomplete frame at the beginning of the buffer. */
  #held = 0
  #samples = 0
  /** Of a program that writes faster than real time. */
  #pacer: { until(position: number): number; from: number } | undefined

  constructor(converter: PcmConverter, channels: number, options: CaptureOptions) {
    this.#converter = converter
    this.#options = options
    this.#frameBytes = channels * 2
  }

  space(): Buffer {
    return this.#buffer.subarray(this.#held)
  }

  wrote(bytes: number): Promise<void> | void {
    const available = this.#held + bytes
    const frames = Math.floor(available / this.#frameBytes)
    const used = frames * this.#frameBytes
    const samples = this.#converter.convert(this.#buffer, frames)
    this.#samples += samples.length
    const ahead = this.#samples / SAMPLES_PER_MS - (performance.now() - this.#start)
    if (!this.#pacer && ahead > RECORDING_AHEAD_MS) {
      this.#pacer = { ...createPacer(performance.now()), from: this.#samples }
      this.#pacer.from -= samples.length
    }
    const finish = () => {
      this.#buffer.copyWithin(0, used, available)
      this.#held = available - used
    }
    if (this.#pacer)
      return this.#play(samples, this.#samples - samples.length - this.#pacer.from).then(finish)
    this.#emit(samples)
    finish()
  }

  /** Emits samples when they are due. `position`: of the first one, in samples since the pacer began. */
  async #play(samples: Int16Array, position: number): Promise<void> {
    const { signal } = this.#options
    for (let at = 0; at < samples.length && !signal.aborted; at += BLOCK_SAMPLES) {
      const due = this.#pacer?.until((position + at) / SAMPLES_PER_MS) ?? 0
      await sleep(due, undefined, { signal }).catch(() => {})
      this.#emit(samples.subarray(at, at + BLOCK_SAMPLES))
    }
  }

  #emit(samples: Int16Array): void {
    if (samples.length === 0) return
    this.#options.emit(samples, this.#clock.place(samples.length, performance.now()))
  }
}
