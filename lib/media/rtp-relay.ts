import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { isIPv6 } from 'node:net'

const LOOPBACK = '127.0.0.1'
/** A camera has video, sound and metadata. */
const MAX_STREAMS = 8
const MAX_PORT = 65_535
/** Of a pair of free ports of which the first is even. RFC 3550 §11. */
const MAX_ATTEMPTS = 100
/** A keyframe arrives at once; Linux limits it by net.core.rmem_max. */
const RECEIVE_BUFFER_BYTES = 1024 * 1024

interface RtpRelayOptions {
  /** Address of the camera. */
  camera: string
  /** Own address on the way to the camera. */
  local: string
  /** So many bytes have come from the camera. */
  onBytes?: ((bytes: number) => void) | undefined
}

type Pair = readonly [rtp: Socket, rtcp: Socket]

/**
 * The streams of one RTSP connection over UDP. RTP and RTCP of the camera come to a relay, which passes them on to FFmpeg's
 * ports on loopback: FFmpeg has no socket on the network, and what the camera sends is counted.
 */
export class RtpRelays implements Disposable {
  readonly #options: RtpRelayOptions
  /** By FFmpeg's port. */
  readonly #relays = new Map<number, RtpRelay>()
  /** That of the last SETUP, until it is answered. */
  #pending: RtpRelay | undefined
  #disposed = false

  constructor(options: RtpRelayOptions) {
    this.#options = options
  }

  /** The Transport header of a SETUP, for the camera. RFC 2326 §12.39. */
  async requested(transport: string): Promise<string> {
    const port = Number(/;client_port=(\d+)/.exec(transport)?.[1])
    this.#pending = undefined
    if (Number.isNaN(port)) return transport
    const relay = this.#relays.get(port) ?? (await this.#open(port))
    this.#pending = relay
    return `RTP/AVP/UDP;unicast;client_port=${relay.port}-${relay.port + 1}`
  }

  /** The Transport header of the answer, for FFmpeg, which rejects an empty one. */
  answered(transport: string): string {
    const relay = this.#pending
    this.#pending = undefined
    if (transport.includes(',')) return ''
    const isTcp = /^[^;]*\/tcp\s*(?:;|$)/i.test(transport)
    if (isTcp !== (relay === undefined)) return ''
    if (!relay) return transport
    const [first] = /(?<=;\s*server_port\s*=\s*)\d+/i.exec(transport) ?? []
    const serverPort = first === undefined ? undefined : Number(first)
    if (serverPort !== undefined && (serverPort < 1 || serverPort >= MAX_PORT)) return ''
    const port = relay.connect(serverPort)
    return `RTP/AVP/UDP;unicast;server_port=${port}-${port + 1};source=${LOOPBACK}`
  }

  [Symbol.dispose](): void {
    this.#disposed = true
    for (const relay of this.#relays.values()) relay[Symbol.dispose]()
  }

  async #open(port: number): Promise<RtpRelay> {
    if (this.#relays.size >= MAX_STREAMS) throw new Error('too many streams')
    const relay = await RtpRelay.open(port, this.#options)
    if (this.#disposed) relay[Symbol.dispose]()
    else this.#relays.set(port, relay)
    return relay
  }
}

/** One stream: a pair of ports for the camera, and one for FFmpeg. */
class RtpRelay implements Disposable {
  readonly #outer: Pair
  readonly #inner: Pair
  readonly #options: RtpRelayOptions
  #isConnected = false

  static async open(clientPort: number, options: RtpRelayOptions): Promise<RtpRelay> {
    const opened: Socket[] = []
    try {
      const outer = await bindPair(options.local)
      opened.push(...outer)
      const inner = await bindPair(LOOPBACK)
      opened.push(...inner)
      // so that the kernel drops packets of other processes
      for (const [i, socket] of inner.entries()) await connect(socket, clientPort + i)
      return new RtpRelay(outer, inner, options)
    } catch (err) {
      for (const socket of opened) socket.close()
      throw err
    }
  }

  private constructor(outer: Pair, inner: Pair, options: RtpRelayOptions) {
    this.#outer = outer
    this.#inner = inner
    this.#options = options
  }

  /** The port for RTP of the camera; the next one is for RTCP. */
  get port(): number {
    return this.#outer[0].address().port
  }

  /**
   * Begins to pass packets between FFmpeg and the camera, whose RTP port is `serverPort`, or any where it names none.
   * Returns the port that sends to FFmpeg.
   */
  connect(serverPort: number | undefined): number {
    if (!this.#isConnected) for (const i of [0, 1] as const) this.#connectOuter(i, serverPort)
    this.#isConnected = true
    return this.#inner[0].address().port
  }

  [Symbol.dispose](): void {
    for (const socket of [...this.#outer, ...this.#inner]) socket.close()
  }

  #connectOuter(i: 0 | 1, serverPort: number | undefined): void {
    const { camera, onBytes } = this.#options
    const [outer, inner] = [this.#outer[i], this.#inner[i]]
    const port = serverPort === undefined ? undefined : serverPort + i
    outer.on('message', (packet, from) => {
      if (from.address !== camera || from.port !== (port ?? from.port)) return
      onBytes?.(packet.length)
      inner.send(packet)
    })
    if (port === undefined) return
    outer.connect(port, camera, (err?: Error) => {
      if (!err) inner.on('message', (packet) => outer.send(packet))
    })
  }
}

async function connect(socket: Socket, port: number): Promise<void> {
  const connected = once(socket, 'connect')
  socket.connect(port, LOOPBACK)
  await connected
}

async function bindPair(address: string): Promise<Pair> {
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
    const rtp = await bind(address, 0)
    const { port } = rtp.address()
    const rtcp = port % 2 === 0 ? await bind(address, port + 1).catch(() => undefined) : undefined
    if (rtcp) return [rtp, rtcp]
    rtp.close()
  }
  throw new Error('no free pair of ports')
}

async function bind(address: string, port: number): Promise<Socket> {
  const socket = createSocket({
    type: isIPv6(address) ? 'udp6' : 'udp4',
    recvBufferSize: RECEIVE_BUFFER_BYTES,
  })
  const listening = once(socket, 'listening')
  socket.bind(port, address)
  try {
    await listening
  } catch (err) {
    socket.close()
    throw err
  }
  // a port that is closed at the other end
  return socket.on('error', () => undefined)
}
