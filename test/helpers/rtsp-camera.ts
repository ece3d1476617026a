import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import type { TestContext } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'

interface Stream {
  /** Of its media section, from the m-line on. */
  sdp: readonly string[]
  /** The RTP payload of packet `n`, from 0. */
  payload(n: number): Buffer
}

/** An RTSP camera on loopback whose only stream is this, without a marker bit: no frame ends. Returns its URL. */
export async function endlessCamera(t: TestContext, { sdp, payload }: Stream): Promise<string> {
  const sockets = new Set<Socket>()
  const description = ['v=0', 'o=- 0 0 IN IP4 127.0.0.1', 's=x', 't=0 0', ...sdp, 'a=control:1', ''].join(
    '\r\n',
  )
  const server = createServer((socket) => {
    sockets.add(socket)
    let send: ((packet: Buffer) => Promise<unknown>) | undefined
    const headersOf = async (request: string): Promise<string[]> => {
      if (request.startsWith('DESCRIBE')) {
        return ['Content-Type: application/sdp', `Content-Length: ${description.length}`, '', description]
      }
      if (!request.startsWith('SETUP')) return ['', '']
      const [transport, sender] = await setUp(t, socket, request)
      send = sender
      return [`Transport: ${transport}`, '', '']
    }
    socket.on('error', () => undefined)
    socket.on('data', async (data) => {
      const request = String(data)
      const sequence = /^CSeq: (\d+)/im.exec(request)?.[1]
      if (sequence === undefined) return // RTCP
      const head = ['RTSP/1.0 200 OK', `CSeq: ${sequence}`, 'Session: 1']
      socket.write([...head, ...(await headersOf(request))].join('\r\n'))
      if (request.startsWith('PLAY') && send) await stream(socket, send, payload)
    })
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  t.after(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return `rtsp://127.0.0.1:${(server.address() as AddressInfo).port}/live`
}

/** The Transport header, and what sends an RTP packet. */
async function setUp(t: TestContext, socket: Socket, request: string) {
  const port = Number(/client_port=(\d+)/.exec(request)?.[1])
  if (Number.isNaN(port)) {
    const interleaved = async (packet: Buffer) => {
      const head = Buffer.from([0x24, 0, packet.length >> 8, packet.length & 0xff])
      if (!socket.write(Buffer.concat([head, packet])) && !socket.destroyed) {
        await Promise.race([once(socket, 'drain'), once(socket, 'close')])
      }
    }
    return ['RTP/AVP/TCP;unicast;interleaved=0-1', interleaved] as const
  }
  const sender = createSocket('udp4')
  await once(sender.bind(0, '127.0.0.1'), 'listening')
  t.after(() => sender.close())
  const own = sender.address().port
  const datagram = (packet: Buffer) =>
    new Promise((resolve) => sender.send(packet, port, '127.0.0.1', resolve))
  return [
    `RTP/AVP/UDP;unicast;client_port=${port}-${port + 1};server_port=${own}-${own + 1}`,
    datagram,
  ] as const
}

/** RFC 3550 §5.1. Every packet has the same timestamp. */
async function stream(
  socket: Socket,
  send: (packet: Buffer) => Promise<unknown>,
  payload: (n: number) => Buffer,
): Promise<void> {
  for (let n = 0; !socket.destroyed; n++) {
    const head = Buffer.from([0x80, 96, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1])
    head.writeUInt16BE(n & 0xffff, 2)
    await send(Buffer.concat([head, payload(n)]))
    if (n % 20 === 0) await nextTurn()
  }
}
