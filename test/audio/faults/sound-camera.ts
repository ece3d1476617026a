import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'

/** 20 ms of G.711 µ-law (RTP payload type 0, RFC 3551 §4.5.14) that is not silent. */
const PAYLOAD = Buffer.alloc(160, Buffer.from('10101010101010109090909090909090', 'hex'))
const SDP = 'v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nt=0 0\r\nm=audio 0 RTP/AVP 0\r\na=control:1\r\n'

/** An RTSP camera on loopback with sound alone, over TCP, that can be out of order. */
export class SoundCamera implements Disposable {
  /** Answers each request with 503. */
  busy = false
  /** Sends nothing more, on connections that stay open. */
  stalled = false
  readonly #sockets = new Set<Socket>()
  #server: Server | undefined
  #port = 0

  static async start(): Promise<SoundCamera> {
    const camera = new SoundCamera()
    await camera.listen()
    return camera
  }

  get url(): string {
    return `rtsp://127.0.0.1:${this.#port}/live`
  }

  /** Begins to listen, on the same port as before. */
  async listen(): Promise<void> {
    const server = createServer((socket) => this.#serve(socket))
    await once(server.listen(this.#port, '127.0.0.1'), 'listening')
    this.#port = (server.address() as AddressInfo).port
    this.#server = server
  }

  /** As if it were switched off. */
  switchOff(): void {
    this.#server?.close()
    for (const socket of this.#sockets) socket.resetAndDestroy()
  }

  [Symbol.dispose](): void {
    this.switchOff()
  }

  #serve(socket: Socket): void {
    this.#sockets.add(socket)
    let timer: NodeJS.Timeout | undefined
    socket.on('error', () => {})
    socket.on('close', () => {
      clearInterval(timer)
      this.#sockets.delete(socket)
    })
    socket.on('data', (data) => {
      const request = String(data)
      const sequence = /^CSeq: (\d+)/im.exec(request)?.[1]
      if (sequence === undefined) return // RTCP
      const status = this.busy ? '503 Service Unavailable' : '200 OK'
      const head = [`RTSP/1.0 ${status}`, `CSeq: ${sequence}`, 'Session: 1']
      socket.write([...head, ...headersFor(request)].join('\r\n'))
      if (request.startsWith('PLAY') && !this.busy) timer ??= this.#play(socket)
    })
  }

  #play(socket: Socket): NodeJS.Timeout {
    let sent = 0
    const start = performance.now()
    return setInterval(() => {
      for (; !this.stalled && sent * 20 < performance.now() - start; sent++) {
        const head = Buffer.from([0x24, 0, 0, 172, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1])
        head.writeUInt16BE(sent & 0xffff, 6)
        head.writeUInt32BE((sent * 160) >>> 0, 8)
        socket.write(Buffer.concat([head, PAYLOAD]))
      }
    }, 20)
  }
}

/** The rest of an answer, after its first lines. RFC 2326. */
function headersFor(request: string): string[] {
  if (request.startsWith('DESCRIBE')) {
    return ['Content-Type: application/sdp', `Content-Length: ${SDP.length}`, '', SDP]
  }
  if (request.startsWith('SETUP')) return ['Transport: RTP/AVP/TCP;unicast;interleaved=0-1', '', '']
  return ['', '']
}
