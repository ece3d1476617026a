import { AsyncLocalStorage } from 'node:async_hooks'
import { createSocket, type RemoteInfo, type SocketType, type Socket as UdpSocket } from 'node:dgram'
import { lookup } from 'node:dns'
import { isIP, type Socket } from 'node:net'
import { classes, Message, methods, TcpTransport, TlsTransport, TurnProtocol, UdpTransport } from 'werift'
import type { DatagramLimit } from './datagram-limit.ts'

/**
 * Owns everything that werift opens while it gathers the candidates of one peer, so that closing the peer closes all of it.
 *
 * werift 0.25.2 closes only what has answered: socket, timers and TCP fallback of a silent TURN server stay open for some
 * 40 s after `close()`. It also leaves UDP sockets without an `error` listener, so that a port taken between its probe and
 * its bind would end the process. Both are patched here, on werift's prototypes.
 */
export interface Gathering {
  /** Runs `gather` and owns what it opens. */
  run<T>(gather: () => T): T
  /** A part of it that may be closed before the rest. */
  branch(): Gathering
  /** Bytes in the send buffers of its sockets. */
  backlog(): number
  /** Resolves when everything is closed. Never rejects. */
  close(): Promise<void>
}

interface Opened {
  closed: boolean
  limit: DatagramLimit | undefined
  sockets: Set<UdpSocket>
  streams: Set<Socket>
  turns: Set<TurnProtocol>
  branches: Set<Gathering>
}

/** Private members of werift's Transaction. */
interface TransactionInternals {
  failWithTimeout(): void
}

const current = new AsyncLocalStorage<Opened>()

/** Whether the current asynchronous call was started by a gathering. */
export function isGathering(): boolean {
  return current.getStore() !== undefined
}

/** `limit` applies to all datagrams that its sockets receive. */
export function createGathering(limit?: DatagramLimit): Gathering {
  const opened: Opened = {
    closed: false,
    limit,
    sockets: new Set(),
    streams: new Set(),
    turns: new Set(),
    branches: new Set(),
  }
  return {
    run: (gather) => current.run(opened, gather),
    branch() {
      const branch = createGathering(limit)
      if (opened.closed) void branch.close()
      else opened.branches.add(branch)
      const close = async () => {
        await branch.close()
        opened.branches.delete(branch)
      }
      return { ...branch, close }
    },
    backlog() {
      let bytes = 0
      for (const socket of opened.sockets) bytes += socket.getSendQueueSize()
      for (const stream of opened.streams) bytes += stream.writableLength
      for (const branch of opened.branches) bytes += branch.backlog()
      return bytes
    },
    async close() {
      opened.closed = true
      for (const turn of opened.turns) {
        for (const transaction of Object.values(turn.transactions) as unknown as TransactionInternals[]) {
          transaction.failWithTimeout()
        }
      }
      await Promise.allSettled([
        ...Array.from(opened.turns, (turn) => turn.close()),
        ...Array.from(opened.branches, (branch) => branch.close()),
      ])
      for (const socket of opened.sockets) closeQuietly(socket)
      for (const stream of opened.streams) stream.destroy()
    },
  }
}

function closeQuietly(socket: UdpSocket): void {
  try {
    socket.close()
  } catch {
    // ERR_SOCKET_DGRAM_NOT_RUNNING: werift has closed it
  }
}

interface UdpInternals {
  socket: UdpSocket
  options: { port?: number; portRange?: [number, number]; interfaceAddresses?: Record<string, string> }
  socketType: SocketType
}

/** Binds as {@link UdpTransport} does, but takes the next port of the range when one is in use. */
async function initUdp(this: UdpInternals): Promise<void> {
  const { options } = this
  const socket = withoutLookup(this.socket, this.socketType)
  this.socket = socket
  socket.on('error', () => undefined) // ICE detects a dead path by itself
  const opened = current.getStore()
  if (opened?.closed) {
    socket.close()
    throw new Error('peer closed')
  }
  opened?.sockets.add(socket)
  if (opened?.limit) limitDatagrams(socket, opened.limit)
  socket.once('close', () => opened?.sockets.delete(socket))
  const address = options.interfaceAddresses?.[this.socketType]
  for (const port of ports(options)) if (await bind(socket, port, address)) return
  socket.close()
  throw new Error('no free UDP port')
}

/**
 * A socket with the same listeners that takes a numeric address as it is: `dns.lookup` costs a turn of the event loop and
 * a third of the time for each packet.
 */
function withoutLookup(original: UdpSocket, type: SocketType): UdpSocket {
  const socket = createSocket({
    type,
    lookup(host, options, done) {
      const family = isIP(host)
      if (family === 0) lookup(host, options, done)
      else done(null, host, family)
    },
  })
  for (const listener of original.listeners('message') as ((data: Buffer, info: RemoteInfo) => void)[]) {
    socket.on('message', listener)
  }
  original.close()
  return socket
}

/** Drops datagrams beyond the limit before werift's listener parses them. */
function limitDatagrams(socket: UdpSocket, limit: DatagramLimit): void {
  const listeners = socket.listeners('message') as ((data: Buffer, info: RemoteInfo) => void)[]
  socket.removeAllListeners('message')
  socket.on('message', (data, info) => {
    if (limit.accepts(data)) for (const listener of listeners) listener(data, info)
  })
}

/** Starts at a random port of the range, so that the sockets of one peer rarely collide. */
function* ports({ port, portRange }: UdpInternals['options']): Generator<number> {
  if (!portRange) return yield port ?? 0
  const [from, to] = portRange
  const size = to - from + 1
  const start = Math.floor(Math.random() * size)
  for (let i = 0; i < size; i++) yield from + ((start + i) % size)
}

function bind(socket: UdpSocket, port: number, address: string | undefined): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>()
  const failed = () => resolve(false)
  socket.once('error', failed)
  socket.once('close', failed)
  socket.bind({ port, ...(address ? { address } : {}) }, () => resolve(true))
  return promise.finally(() => {
    socket.off('error', failed)
    socket.off('close', failed)
  })
}

interface StreamInternals {
  stream: { client: Socket; waitForConnect(): Promise<void> }
}

/** Nagle's algorithm would delay small packets until an acknowledgment: RFC 9293 §3.7.4. */
async function initStream(this: StreamInternals): Promise<void> {
  const opened = current.getStore()
  const { client } = this.stream
  opened?.streams.add(client)
  client.once('close', () => opened?.streams.delete(client))
  client.setNoDelay(true)
  if (opened?.closed) client.destroy(new Error('peer closed'))
  await this.stream.waitForConnect()
}

// Object.assign, since the replaced methods are private
Object.assign(UdpTransport.prototype, { init: initUdp })
Object.assign(TcpTransport.prototype, { init: initStream })
Object.assign(TlsTransport.prototype, { init: initStream })

const allocate = TurnProtocol.prototype.connectionMade
TurnProtocol.prototype.connectionMade = function connectionMade(this: TurnProtocol) {
  const opened = current.getStore()
  opened?.turns.add(this)
  if (this.transport instanceof UdpTransport) return allocateByUdp(this)
  if (opened?.limit) limitFrames(this, opened.limit)
  return allocate.call(this)
}

/**
 * Any address can send to the socket. werift 0.25.2 (turn/protocol.js, `dataReceived`) takes each ChannelData message and Data
 * indication for relayed ones, under the peer's address that they name.
 */
function allocateByUdp(turn: TurnProtocol): Promise<void> {
  const allocated = allocate.call(turn)
  const receive = turn.transport.onData
  turn.transport.onData = (data, from) => {
    const [host, port] = turn.serverEndpoint ?? []
    if (from[0] === host && from[1] === port) receive(data, from)
  }
  return allocated
}

/** Over TCP and TLS the limit applies to the frames of the stream. RFC 8656 §12.5 */
function limitFrames(turn: TurnProtocol, limit: DatagramLimit): void {
  const internals = turn as unknown as Record<
    (typeof FRAME_HANDLERS)[number],
    (data: Buffer, from: unknown) => void
  >
  for (const name of FRAME_HANDLERS) {
    const handle = internals[name].bind(turn)
    internals[name] = (data, from) => {
      if (limit.accepts(data)) handle(data, from)
    }
  }
}

const FRAME_HANDLERS = ['handleChannelData', 'handleSTUNMessage'] as const

/** Longest wait for the server to confirm that an allocation is released. */
const RELEASE_TIMEOUT_MS = 300

const closeTurn = TurnProtocol.prototype.close
const closing = new WeakMap<TurnProtocol, Promise<void>>()
TurnProtocol.prototype.close = function close(this: TurnProtocol) {
  const begun = closing.get(this) ?? release(this).finally(() => closeTurn.call(this))
  closing.set(this, begun)
  return begun
}

/**
 * RFC 8656 §3.8: a Refresh with a lifetime of 0. Otherwise the server keeps the allocation for ten minutes, and most
 * servers limit the allocations of an account.
 */
async function release(turn: TurnProtocol): Promise<void> {
  if (!turn.relayedAddress) return
  const request = new Message(methods.REFRESH, classes.REQUEST).setAttribute('LIFETIME', 0)
  await turn
    .requestWithRetry(request, turn.server, AbortSignal.timeout(RELEASE_TIMEOUT_MS))
    .catch(() => undefined)
}
