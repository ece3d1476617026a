import { existsSync } from 'node:fs'
import { RtspGateway } from '#lib/media/rtsp-gateway.ts'
import type { UnframedBytes } from '#lib/media/unframed-bytes.ts'
import { UnavailableError } from '#lib/unavailable-error.ts'
import type { SourceSection } from '../../config.ts'
import { captureHttp } from './http/http.ts'
import { Input } from './input.ts'
import { createPlayer, passOn, RECORDINGS } from './playback.ts'
import { type Capture, type CaptureOptions, unframedVideo } from './source.ts'

type UrlSection = Extract<SourceSection, { type: 'url' }>

/** A connection without data for this long ends, µs; longer than the interval of a slow camera. */
const NETWORK_TIMEOUT_US = '20000000'
/** Through the gateway, which does TLS. */
const RTSP = { protocols: 'rtsp,rtp,srtp,udp,tcp', formats: 'rtsp' }
/** Demuxers and protocols by the protocol of the address; no address reaches any other. */
const NETWORK: Readonly<Record<string, { protocols: string; formats: string }>> = {
  rtsp: RTSP,
  rtsps: RTSP,
  rtmp: { protocols: 'rtmp,tcp', formats: 'flv' },
  srt: { protocols: 'srt,udp', formats: 'mpegts' },
  udp: { protocols: 'udp', formats: 'mpegts' },
  tcp: { protocols: 'tcp', formats: 'mpegts,h264,hevc,mjpeg' },
}

/**
 * A file or stream. Frames of a camera are passed on as they arrive; those of a recording and of HLS when they are due.
 * `loop` restarts a recording at its end.
 */
export function captureUrl(section: UrlSection): Capture {
  if (existsSync(section.url)) return captureFile(section)
  const protocol = /^([a-z]+):\/\//i.exec(section.url)?.[1]?.toLowerCase()
  if (protocol === 'http' || protocol === 'https') return captureHttp(section)
  const network = NETWORK[protocol ?? '']
  if (network) return captureStream(section, network)
  return () => Promise.reject(new UnavailableError(`cannot open: ${missing(protocol)}`))
}

function missing(protocol: string | undefined): string {
  return protocol === undefined ? 'No such file' : `unsupported protocol ${protocol}`
}

function captureFile({ url, loop }: UrlSection): Capture {
  return async (options) => {
    const play = createPlayer(options)
    let more: boolean
    do {
      await using input = await Input.open(url, {
        signal: options.signal,
        maxPixels: options.maxPixels,
        options: { protocol_whitelist: 'file', format_whitelist: RECORDINGS },
      })
      more = await play(input)
    } while (more && loop && !options.signal.aborted)
  }
}

function captureStream(section: UrlSection, allowed: { protocols: string; formats: string }): Capture {
  return async (options) => {
    const open = (url: string, unframed: UnframedBytes, transport?: string) =>
      Input.open(url, {
        signal: options.signal,
        maxPixels: options.maxPixels,
        onData: options.onData,
        unframed,
        isRtp: allowed === RTSP,
        isUncounted: allowed !== RTSP,
        options: {
          protocol_whitelist: allowed.protocols,
          format_whitelist: allowed.formats,
          timeout: NETWORK_TIMEOUT_US,
          rw_timeout: NETWORK_TIMEOUT_US,
          // over UDP only the gateway may send
          ...(transport && { rtsp_transport: transport, rtsp_flags: 'filter_src', localaddr: '127.0.0.1' }),
        },
      })
    if (allowed === RTSP) await captureRtsp(section, open, options)
    else {
      await using input = await open(section.url, unframedVideo(options.maxPixels))
      await passOn(input, options)
    }
  }
}

/** RTSP over TCP or UDP; with `auto` over UDP only where the camera does not accept TCP. */
async function captureRtsp(
  section: UrlSection,
  open: (url: string, unframed: UnframedBytes, transport: string) => Promise<Input>,
  options: CaptureOptions,
): Promise<void> {
  const { url, rtsp_transport: transport = 'tcp' } = section
  // RTP would not be encrypted
  const transports = /^rtsps:/i.test(url) ? ['tcp'] : transport === 'auto' ? ['tcp', 'udp'] : [transport]
  for (const [i, one] of transports.entries()) {
    const unframed = unframedVideo(options.maxPixels)
    await using gateway = await RtspGateway.start(url, section, {
      signal: options.signal,
      onBytes: (bytes) => unframed.arrived(bytes),
    })
    const opened = await open(gateway.url, unframed, one).catch((err: unknown) => {
      if (gateway.isRefused) throw new UnavailableError('cannot open: the camera refers to another host')
      if (options.signal.aborted || i === transports.length - 1) throw err
    })
    if (!opened) continue
    await using input = opened
    return await passOn(input, options)
  }
}
