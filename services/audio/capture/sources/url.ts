import { existsSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { createPacer } from '#lib/media/pacer.ts'
import { RtspGateway } from '#lib/media/rtsp-gateway.ts'
import { UnframedBytes } from '#lib/media/unframed-bytes.ts'
import { UnavailableError } from '#lib/unavailable-error.ts'
import type { AudioSourceSection } from '../../config.ts'
import { BLOCK_SAMPLES, SAMPLES_PER_MS } from '../../sound/format.ts'
import { SampleClock } from '../sample-clock.ts'
import { SoundInput } from './sound-input.ts'
import type { Capture, CaptureOptions } from './source.ts'

type UrlSection = Extract<AudioSourceSection, { type: 'url' }>

/** FFmpeg's demuxers for recordings: none that opens other addresses. */
const RECORDINGS = 'mov,mp4,m4a,matroska,webm,avi,mpegts,mpeg,flv,ogg,wav,mp3,aac,flac'
/** Frames of sound have a few KiB. */
const MAX_UNFRAMED_BYTES = 1024 * 1024
/** A connection without data for this long ends, µs. */
const NETWORK_TIMEOUT_US = '10000000'

/** The sound of a file, which `loop` restarts at its end, or of an RTSP camera. */
export function captureUrl(section: UrlSection): Capture {
  if (existsSync(section.url)) return captureFile(section)
  const protocol = /^([a-z]+):\/\//i.exec(section.url)?.[1]?.toLowerCase()
  if (protocol === 'rtsp' || protocol === 'rtsps') return captureRtsp(section)
  const reason = protocol === undefined ? 'No such file' : `unsupported protocol ${protocol}`
  return () => Promise.reject(new UnavailableError(`cannot open: ${reason}`))
}

function captureFile({ url, loop }: UrlSection): Capture {
  return async (options) => {
    const clock = new SampleClock()
    const pacer = createPacer(performance.now())
    let samples = 0
    let before: number
    do {
      before = samples
      await using input = await SoundInput.open(url, {
        signal: options.signal,
        options: { protocol_whitelist: 'file', format_whitelist: RECORDINGS },
      })
      for await (const block of blocksOf(input, options.signal)) {
        // complete when its last sample is due
        samples += block.length
        await sleep(pacer.until(samples / SAMPLES_PER_MS), undefined, { signal: options.signal }).catch(
          () => {},
        )
        if (options.signal.aborted) return
        options.emit(block, clock.place(block.length, performance.now()))
      }
    } while (samples > before && loop && !options.signal.aborted)
  }
}

/** Decoded frames may hold a second. */
async function* blocksOf(input: SoundInput, signal: AbortSignal): AsyncGenerator<Int16Array> {
  while (!signal.aborted) {
    const samples = await input.next()
    if (!samples) return
    for (let at = 0; at < samples.length; at += BLOCK_SAMPLES) yield samples.subarray(at, at + BLOCK_SAMPLES)
  }
}

function captureRtsp(section: UrlSection): Capture {
  return async (options: CaptureOptions) => {
    const { url, rtsp_transport: transport = 'tcp' } = section
    const clock = new SampleClock()
    const unframed = new UnframedBytes(MAX_UNFRAMED_BYTES)
    await using gateway = await RtspGateway.start(url, section, {
      signal: options.signal,
      onBytes: (bytes) => unframed.arrived(bytes),
    })
    await using input = await SoundInput.open(gateway.url, {
      signal: AbortSignal.any([options.signal, unframed.signal]),
      options: {
        protocol_whitelist: 'rtsp,rtp,srtp,udp,tcp',
        format_whitelist: 'rtsp',
        allowed_media_types: 'audio',
        timeout: NETWORK_TIMEOUT_US,
        rtsp_transport: /^rtsps:/i.test(url) ? 'tcp' : transport,
        // over UDP only the gateway may send
        rtsp_flags: 'filter_src',
        localaddr: '127.0.0.1',
      },
    }).catch((err: unknown) => {
      unframed.signal.throwIfAborted()
      throw gateway.isRefused ? new UnavailableError('cannot open: the camera refers to another host') : err
    })
    while (!options.signal.aborted) {
      const samples = await input.next()
      unframed.signal.throwIfAborted()
      if (!samples) return
      unframed.completed()
      options.emit(samples, clock.place(samples.length, performance.now()))
    }
  }
}
