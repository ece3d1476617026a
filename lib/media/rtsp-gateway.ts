import { lookup } from 'node:dns/promises'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { isOwnPeer } from '../process/own-peer.ts'
import { UnavailableError } from '../unavailable-error.ts'
import { RtpRelays } from './rtp-relay.ts'
import { RtspRequests } from './rtsp-requests.ts'
import { RtspResponses } from './rtsp-responses.ts'
import { authorities, reasonOf, type TlsSettings } from './tls-settings.ts'

const CONNECT_TIMEOUT_MS = 20_000
const MAX_CONNECTIONS = 6
const DEFAULT_PORT: Readonly<Record<string, number>> = { 'rtsp:': 554, 'rtsps:': 322 }

interface GatewayOptions {
  signal: AbortSignal
  /** So many bytes have come from the camera. */
  onBytes?: ((bytes: number) => void) | undefined
}

/**
 * Serves one RTSP camera to FFmpeg on a loopback port. FFmpeg would follow a redirect to any host, with the credentials of
 * the camera, and send RTP to any address that a Transport header names; here every connection and every packet goes to
 * the host of the source, at the address that it had first. TLS is verified by Node.
 */
export class RtspGateway implements AsyncDisposable {
  readonly #source: URL
  readonly #tls: TlsSettings
  readonly #address: string
  readonly #signal: AbortSignal
  readonly #onBytes: GatewayOptions['onBytes']
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  #port: number
  #connections = 0
  /** The connection of {@link start}, for the first one of FFmpeg. */
  #first: Socket | undefined
  #isRefused = false

  /** Connects to the camera. Rejects with {@link UnavailableError}. */
  static async start(
    source: string,
    tls: TlsSettings,
    { signal, onBytes }: GatewayOptions,
  ): Promise<RtspGateway> {
    if (!URL.canParse(source)) throw new UnavailableError('cannot open: invalid address')
    const url = new URL(source)
    const host = url.hostname.replace(/^\[(.*)\]$/, '$1')
    const { address } = await lookup(host).catch((err: Error) => {
      throw new UnavailableError(`cannot open: ${reasonOf(err)}`)
    })
    const gateway = new RtspGateway(url, tls, { address, signal, onBytes })
    try {
      gateway.#first = await gateway.#dial()
      await once(gateway.#server.listen(0, '127.0.0.1'), 'listening')
    } catch (err) {
      await gateway[Symbol.asyncDispose]()
      throw err
    }
    return gateway
  }

  private constructor(
    source: URL,
    tls: TlsSettings,
    { address, signal, onBytes }: GatewayOptions & { address: string },
  ) {
    this.#source = source
    this.#tls = tls
    this.#address = address
    this.#signal = signal
    this.#onBytes = onBytes
    this.#port = Number(source.port) || (DEFAULT_PORT[source.protocol] ?? 554)
    this.#server = createServer((client) => {
      this.#own(client)
      this.#serve(client).catch(() => client.destroy())
    })
  }

  /** The address under which FFmpeg reads the camera, with its credentials. */
  get url(): string {
    return this.#mapped(this.#source).href
  }

  /** The camera has named another host. */
  get isRefused(): boolean {
    return this.#isRefused
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    if (!this.#server.listening) return
    this.#server.close()
    await once(this.#server, 'close')
  }

  async #serve(client: Socket): Promise<void> {
    if (!isOwnPeer(client)) throw new Error('not from FFmpeg, which runs in this process')
    if (++this.#connections > MAX_CONNECTIONS) throw new Error('too many redirects')
    const camera = this.#first ?? (await this.#dial())
    this.#first = undefined
    const { localAddress: local = '' } = camera
    const relays = new RtpRelays({ camera: this.#address, local, onBytes: this.#onBytes })
    const requests = new RtspRequests(relays)
    const responses = new RtspResponses({ redirect: (location) => this.#redirect(location), relays })
    camera.on('data', (chunk: Buffer) => this.#onBytes?.(chunk.length))
    client.pipe(requests).pipe(camera)
    camera.pipe(responses).pipe(client)
    client.once('close', () => {
      camera.destroy()
      relays[Symbol.dispose]()
    })
    camera.once('close', () => responses.end())
    for (const messages of [requests, responses]) messages.once('error', () => client.destroy())
  }

  /** The address of a redirect for FFmpeg. Throws when it is on another host. */
  #redirect(location: string): string {
    const url = new URL(location, this.#source)
    const isSame = url.protocol === this.#source.protocol && url.hostname === this.#source.hostname
    if (!isSame) {
      this.#isRefused = true
      throw new Error('the camera refers to another host')
    }
    this.#port = Number(url.port) || (DEFAULT_PORT[url.protocol] ?? 554)
    return this.#mapped(url).href
  }

  #mapped(url: URL): URL {
    const { port } = this.#server.address() as AddressInfo
    const mapped = new URL(url.href.replace(/^rtsps:/i, 'rtsp:'))
    mapped.hostname = '127.0.0.1'
    mapped.port = String(port)
    return mapped
  }

  async #dial(): Promise<Socket> {
    const socket = await this.#open()
    this.#own(socket)
    const timeout = AbortSignal.timeout(CONNECT_TIMEOUT_MS)
    const signal = AbortSignal.any([this.#signal, timeout])
    try {
      await once(socket, this.#source.protocol === 'rtsps:' ? 'secureConnect' : 'connect', { signal })
    } catch (err) {
      socket.destroy()
      throw new UnavailableError(`cannot open: ${timeout.aborted ? 'timed out' : reasonOf(err as Error)}`)
    }
    return socket
  }

  async #open(): Promise<Socket> {
    const [host, port] = [this.#address, this.#port]
    if (this.#source.protocol !== 'rtsps:') return connect({ host, port, noDelay: true })
    const { hostname } = this.#source
    const ca = this.#tls.tls_insecure ? [] : await authorities(this.#tls)
    return connectTls({ host, port, servername: hostname, ca, rejectUnauthorized: !this.#tls.tls_insecure })
  }

  #own(socket: Socket): void {
    this.#sockets.add(socket)
    socket.on('error', () => undefined) // its end is what counts
    socket.once('close', () => this.#sockets.delete(socket))
  }
}
