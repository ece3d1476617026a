import { spawn } from 'node:child_process'
import { spread } from './peer-child.ts'

interface Format {
  codec: 'h264' | 'vp8'
  payloadType: number
}

interface DecodedFrame {
  width: number
  height: number
  spread: number
}

/** Decoded frames are scaled to this size for their statistics. */
const [WIDTH, HEIGHT] = [160, 90]

/** FFmpeg as the decoder of a peer that has none: it receives RTP on a port of loopback. RFC 8866. */
export function startRtpDecoder(
  { codec, payloadType }: Format,
  port: number,
  onFrame: (frame: DecodedFrame) => void,
): Disposable {
  const sdp = [
    'v=0',
    'o=- 0 0 IN IP4 127.0.0.1',
    's=-',
    'c=IN IP4 127.0.0.1',
    't=0 0',
    `m=video ${port} RTP/AVP ${payloadType}`,
    `a=rtpmap:${payloadType} ${codec.toUpperCase()}/90000`,
    '',
  ]
  const input = ['-protocol_whitelist', 'pipe,udp,rtp', '-f', 'sdp', '-i', 'pipe:0']
  const output = ['-fps_mode', 'passthrough', '-vf', `scale=${WIDTH}:${HEIGHT}`, '-pix_fmt', 'gray']
  const ffmpeg = spawn('ffmpeg', [
    '-hide_banner',
    '-nostats',
    ...input,
    ...output,
    '-f',
    'rawvideo',
    'pipe:1',
  ])
  ffmpeg.stdin.end(sdp.join('\r\n'))
  let [width, height] = [0, 0]
  ffmpeg.stderr.on('data', (text) => {
    const [, w, h] = /Stream #0:0.* Video: \w+.*? (\d{2,5})x(\d{2,5})/.exec(String(text)) ?? []
    if (w && width === 0) [width, height] = [Number(w), Number(h)]
  })
  let rest = Buffer.alloc(0)
  ffmpeg.stdout.on('data', (data) => {
    rest = Buffer.concat([rest, data])
    for (; rest.length >= WIDTH * HEIGHT; rest = rest.subarray(WIDTH * HEIGHT)) {
      onFrame({ width, height, spread: spread(rest.subarray(0, WIDTH * HEIGHT)) })
    }
  })
  return { [Symbol.dispose]: () => void ffmpeg.kill('SIGKILL') }
}
