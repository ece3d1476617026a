import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { UnavailableError } from '#lib/unavailable-error.ts'
import type { SourceSection } from '../../config.ts'
import { captureHttp } from './http/http.ts'
import { authorities } from './http/http-client.ts'
import { Input } from './input.ts'
import { createPlayer, passOn, RECORDINGS } from './playback.ts'
import type { Capture } from './source.ts'

type UrlSection = Extract<SourceSection, { type: 'url' }>

/** A connection without data for this long ends, µs; longer than the interval of a slow camera. */
const NETWORK_TIMEOUT_US = '20000000'
/** Demuxers and protocols by the protocol of the address; no address reaches any other. */
const NETWORK: Readonly<Record<string, { protocols: string; formats: string }>> = {
  rtsp: { protocols: 'rtsp,rtp,udp,tcp', formats: 'rtsp' },
  rtsps: { protocols: 'rtsps,rtsp,rtp,srtp,udp,tcp,tls', formats: 'rtsp' },
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
    await using tls = await tlsOptions(section)
    const open = (transport: string | undefined) =>
      Input.open(section.url, {
        signal: options.signal,
        maxPixels: options.maxPixels,
        onData: options.onData,
        isRtp: allowed.formats === 'rtsp',
        options: {
          protocol_whitelist: allowed.protocols,
          format_whitelist: allowed.formats,
          timeout: NETWORK_TIMEOUT_US,
          rw_timeout: NETWORK_TIMEOUT_US,
          ...tls.options,
          ...(transport && { rtsp_transport: transport }),
        },
      })
    await using input = await openWithTransport(section, open, options.signal)
    await passOn(input, options)
  }
}

/** RTSP over TCP or UDP; with `auto` over UDP only where the camera does not accept TCP. */
async function openWithTransport(
  { url, rtsp_transport: transport = 'tcp' }: UrlSection,
  open: (transport: string | undefined) => Promise<Input>,
  signal: AbortSignal,
): Promise<Input> {
  if (!/^rtsps?:/i.test(url)) return await open(undefined)
  if (transport !== 'auto') return await open(transport)
  try {
    return await open('tcp')
  } catch (err) {
    if (signal.aborted) throw err
    return await open('udp')
  }
}

/** FFmpeg's options for rtsps. OpenSSL reads authorities from a file, which is deleted afterwards. */
async function tlsOptions(
  section: UrlSection,
): Promise<{ options: Record<string, string> } & AsyncDisposable> {
  const nothing = { async [Symbol.asyncDispose]() {} }
  if (!/^rtsps:/i.test(section.url) || section.tls_insecure) return { options: {}, ...nothing }
  const folder = await mkdtemp(join(tmpdir(), 'wimz-ca-'))
  const file = join(folder, 'ca.pem')
  await writeFile(file, (await authorities(section)).join('\n'))
  return {
    options: { tls_verify: '1', ca_file: file },
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  }
}
