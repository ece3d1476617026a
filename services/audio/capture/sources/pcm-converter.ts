import { AV_SAMPLE_FMT_S16 } from 'node-av/constants'
import { SoftwareResampleContext } from 'node-av/lib'
import { check, MONO, STEREO } from '../../sound/ffmpeg.ts'
import { SAMPLE_RATE } from '../../sound/format.ts'

export interface PcmConverter extends Disposable {
  /** Converts so many frames at the beginning of the buffer to 48 kHz, mono; the result is valid until the next call. */
  convert(bytes: Buffer, frames: number): Int16Array
}

/** Converts interleaved signed 16-bit samples of this rate (Hz). The buffer must be aligned to two bytes. */
export function createPcmConverter({ rate, channels }: { rate: number; channels: number }): PcmConverter {
  if (rate === SAMPLE_RATE && channels === 1) {
    return {
      convert: ({ buffer, byteOffset }, frames) => new Int16Array(buffer, byteOffset, frames),
      [Symbol.dispose]() {},
    }
  }
  const context = new SoftwareResampleContext()
  const layout = channels === 2 ? STEREO : MONO
  check(
    context.allocSetOpts2(MONO, AV_SAMPLE_FMT_S16, SAMPLE_RATE, layout, AV_SAMPLE_FMT_S16, rate),
    'resample',
  )
  check(context.init(), 'resample')
  let out = Buffer.allocUnsafeSlow(0)
  return {
    convert(bytes, frames) {
      const most = context.getOutSamples(frames)
      if (out.length < most * 2) out = Buffer.allocUnsafeSlow(most * 2)
      const count = context.convertSync([out], most, [bytes], frames)
      check(count, 'resample')
      return new Int16Array(out.buffer, out.byteOffset, count)
    },
    [Symbol.dispose]: () => context.free(),
  }
}
