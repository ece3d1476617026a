import type { IncomingMessage } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { createPacer } from '#lib/media/pacer.ts'
import { UnavailableError } from '#lib/unavailable-error.ts'
import type { SourceSection } from '../../../config.ts'
import { Input } from '../input.ts'
import { openMjpegReader } from '../packet-reader.ts'
import { createPlayer, passOn, RECORDINGS } from '../playback.ts'
import { type Capture, type CaptureOptions, unframedVideo } from '../source.ts'
import { HttpClient, headOf } from './http-client.ts'
import { HttpGateway, isPlaylist } from './http-gateway.ts'

type UrlSection = Extract<SourceSection, { type: 'url' }>
type Opened = Awaited<ReturnType<HttpClient['get']>>

const SOI = Buffer.from([0xff, 0xd8])
const MAX_SNAPSHOT_BYTES = 8 * 1024 * 1024
/** FFmpeg's demuxers for HTTP; the segments of HLS are MPEG-TS, MP4 or audio. */
const FORMATS = `${RECORDINGS},hls,aac`
/** Errors of Node's HTTP parser. */
const MALFORMED = /HPE_/

/**
 * A camera or recording over HTTP. MJPEG and snapshots are read here, whatever their multipart looks like; everything
 * else by FFmpeg through {@link HttpGateway}.
 */
export function captureHttp(section: UrlSection): Capture {
  return async (options) => {
    const ending = new AbortController()
    const client = new HttpClient(section.url, section, AbortSignal.any([options.signal, ending.signal]))
    try {
      // a recording must say how long it is; a camera ignores the range
      const opened = await client.get(new URL(section.url), { range: 'bytes=0-' })
      await read(client, opened, section, options)
    } catch (err) {
      if (!/^http:/i.test(section.url) || !MALFORMED.test(String(err))) throw err
      await playDirectly(client, section, options)
    } finally {
      ending.abort()
    }
  }
}

/** Reads the response by its type. Resolves when aborted. */
async function read(
  client: HttpClient,
  opened: Opened,
  section: UrlSection,
  options: CaptureOptions,
): Promise<void> {
  const type = opened.response.headers['content-type'] ?? ''
  try {
    if (/^multipart\//i.test(type)) await readMjpeg(opened.response, options)
    else if (/^image\/jpe?g/i.test(type) || beginsWithJpeg(await headOf(opened.response))) {
      await pollSnapshots(client, opened, options)
    } else await playThroughFfmpeg(client, opened, section, options)
  } catch (err) {
    if (options.signal.aborted) return
    throw err instanceof UnavailableError ? err : new UnavailableError(`cannot read: ${codeOf(err)}`)
  }
}

/**
 * FFmpeg accepts headers that Node does not, such as `Content-Length: -1`. It follows no redirects then, and connects to the
 * address that the client has connected to.
 */
async function playDirectly(client: HttpClient, { url }: UrlSection, options: CaptureOptions): Promise<void> {
  const { host } = new URL(url)
  await using input = await Input.open(client.pinned(new URL(url)).href, {
    signal: options.signal,
    maxPixels: options.maxPixels,
    onData: options.onData,
    isUncounted: true,
    options: {
      protocol_whitelist: 'http,tcp',
      format_whitelist: 'mpjpeg,mjpeg,h264,hevc,mpegts',
      max_redirects: '0',
      headers: `Host: ${host}\r\n`,
      timeout: '20000000',
    },
  })
  await passOn(input, options)
}

function codeOf(err: unknown): string {
  const { code, message } = err as NodeJS.ErrnoException
  return (code ?? message).slice(0, 80)
}

/** JPEG files in a row; headers and boundaries between them are skipped, since cameras get these wrong in many ways. */
async function readMjpeg(response: IncomingMessage, options: CaptureOptions): Promise<void> {
  using reader = await openMjpegReader(options.emit, options.maxPixels)
  for await (const chunk of response) {
    options.onData?.()
    await reader.read(chunk)
  }
}

/** An address of one JPEG is read again at the frame rate; one of many never ends. */
async function pollSnapshots(client: HttpClient, first: Opened, options: CaptureOptions): Promise<void> {
  const { signal, fps } = options
  using reader = await openMjpegReader(options.emit, options.maxPixels)
  const pacer = createPacer(performance.now())
  const interval = 1000 / fps
  let { response } = first
  for (let index = 1; ; index++) {
    if (Number(response.headers['content-length'] ?? 0) > MAX_SNAPSHOT_BYTES) {
      throw new UnavailableError('the snapshot is larger than 8 MiB')
    }
    for await (const chunk of response) {
      options.onData?.()
      await reader.read(chunk)
    }
    await sleep(pacer.until(index * interval), undefined, { signal })
    response = (await client.get(first.url)).response
  }
}

/** Many cameras send MJPEG as application/octet-stream. */
function beginsWithJpeg(head: Buffer): boolean {
  return head.subarray(0, 2).equals(SOI)
}

async function playThroughFfmpeg(
  client: HttpClient,
  opened: Opened,
  { loop }: UrlSection,
  options: CaptureOptions,
): Promise<void> {
  const { headers } = opened.response
  // a camera does not know how long its stream will be; segments of HLS arrive before they are due
  const needsPacing =
    (await isPlaylist(opened.response, opened.url)) || headers['content-length'] !== undefined
  const unframed = unframedVideo(options.maxPixels)
  await using gateway = await HttpGateway.start(client, opened, unframed)
  const play = createPlayer(options)
  const open = () =>
    Input.open(gateway.address(opened.url), {
      signal: options.signal,
      maxPixels: options.maxPixels,
      onData: options.onData,
      unframed,
      options: {
        protocol_whitelist: 'http,tcp,crypto',
        format_whitelist: FORMATS,
        http_proxy: gateway.proxy,
        rw_timeout: '20000000',
      },
    })
  let more: boolean
  do {
    await using input = await open()
    if (!needsPacing) return await passOn(input, options)
    more = await play(input)
  } while (more && loop && !options.signal.aborted)
}
